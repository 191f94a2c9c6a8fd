"""Give up a generation that nothing needs any more: the only step of a rotation that cannot be undone.

    1 the manifest calls it destroyed     counted under a lock before; refused while anything needs it
    2 three seconds                       other key services believe that manifest by then
    3 its key is destroyed in the token

Broken off between any two, the same command goes on. Before the first nothing is lost; after it the key does
nothing any more, since no key service uses what the manifest calls destroyed.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vault_service.domain.errors import InvalidInputError
from vault_service.domain.rotation import KeyKind, OnlineKind
from vault_service.domain.rotation_errors import GenerationRefusedError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import DestroyKey, GenerationIs, GenerationRow, RetireKey
from vault_service.rotation.status import Needs, Status

BELIEVED_WITHIN_S = 3.5  # the key service demands three
_FINGERPRINT = re.compile("[0-9a-f]{64}")

_OLD_BACKUPS: dict[KeyKind, str] = {
    "escrow": "no escrow wrap in it opens any more: a password forgotten then is lost for good",
    "pepper": "nothing in it opens any more, by no password and by no officer",
    "login-index": "nobody can sign in from it or be found by a login any more",
    "case": "its open cases are refused, and have to be opened again",
}
"""What becomes of a backup of the keys database that still holds something under the generation."""


_FIRST: dict[KeyKind, str] = {
    "pepper": "vaultctl rotate verify --all: every wrap opens under the new key",
    "login-index": "vaultctl rotate verify --all: every wrap opens under the new key",
    "escrow": "a drill over everybody: every wrap opens under the new key",
    "audit-signing": (
        "every witness and every auditor has the new key's lines of audit.vkey (vaultctl audit export): "
        "whoever knows the old one only refuses each checkpoint from then on"
    ),
}
"""What to make sure of before."""


@dataclass(frozen=True, slots=True)
class ToRetire:
    """A generation, and what giving it up would mean."""

    row: GenerationRow
    needs: Needs
    backups_before: datetime | None  # taken before then; None: no backup needs it
    backups_lose: str
    make_sure: str  # of this before; empty: of nothing

    @property
    def steps_left(self) -> bool:
        """False when it is gone from the token as well."""
        return not (self.row.state == "destroyed" and self.row.in_token is False)


def look_at(status: Status, kind: KeyKind, gen: int) -> ToRetire:
    """Raises InvalidInputError for one that there is not, GenerationRefusedError for the current one."""
    row = next((each for each in status.of(kind) if each.gen == gen), None)
    if row is None:
        numbers = ", ".join(str(each.gen) for each in status.of(kind))
        raise InvalidInputError("GEN", f"{kind} has no generation {gen}; there are {numbers}")
    if row.state == "current":
        raise GenerationRefusedError(f"generation {gen} of the {kind} key is current: rotate it first")
    lose = "" if row.state == "prepared" else _OLD_BACKUPS.get(kind, "")
    before = _needed_until(status, kind, row) if lose else None
    first = "" if row.state == "prepared" else _FIRST.get(kind, "")
    return ToRetire(row, status.needs.get((kind, gen), ()), before, lose, first)


def _needed_until(status: Status, kind: KeyKind, row: GenerationRow) -> datetime:
    """When the last rotation away from it ended; for want of one, or if that left something: now."""
    ended = [
        datetime.fromisoformat(each.ended_at)
        for each in status.rotations
        if each.kind == kind and each.to_gen > row.gen and each.ended_at is not None
    ]
    if row.state == "destroyed":
        return datetime.fromisoformat(row.since)
    return status.at if not ended or status.needs.get((kind, row.gen)) else max(ended)


def retire(
    kms: KmsClient,
    kind: OnlineKind,
    row: GenerationRow,
    fingerprint: str,
    tell: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> GenerationRow:
    """Do it, for the generation that has this fingerprint.

    Raises GenerationNeededError with nothing changed, FingerprintDiffersError; the key service records it.
    """
    claimed = fingerprint.strip().lower()
    if not _FINGERPRINT.fullmatch(claimed):
        raise InvalidInputError("--confirm", "not a fingerprint: 64 hex digits")
    if row.state != "destroyed":
        done = kms.call(RetireKey(kind, row.gen, claimed), GenerationIs)
        tell(f"Generation {row.gen} is given up (manifest {done.serial}).")
        sleep(BELIEVED_WITHIN_S)
    gone = kms.call(DestroyKey(kind, row.gen, claimed), GenerationIs).generation
    tell("Its key is destroyed in the token.")
    return gone
