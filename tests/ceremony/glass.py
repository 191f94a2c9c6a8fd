"""Break-glass in a process of its own, which may die after one of its steps; and its sheets."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.ceremony.test_sheets import Keepers
from tests.rig.forked import FORKS, Forked
from tests.rig.killable import Steps
from tests.rig.officers import manifest_of, officer_key
from tests.rig.vault import Vault
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.ceremony import break_glass as flow
from vault_service.ceremony import sheets
from vault_service.ceremony.break_glass_words import public_key_of
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.security_officer import SecurityOfficer
from vault_service.ceremony.shares import BREAK_GLASS, combine, open_share
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import Manifest, Officer, Quorum
from vault_service.settings import load_settings
from vault_service.storage.keys.shares import find_share

NEWCOMERS = tuple(
    OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), name) for name in ("dora", "emil", "fee")
)
STEPS = (
    "hand_out", "keep_so_pin", "_prepare", "_sign", "_switch", "set_user_pin", "set_own_pin", "_set_pins",
    "try_pin", "_confirm",
)  # fmt: skip
"""What dies is dead as soon as this is done."""
NEW_COUNTS_FROM = STEPS.index("_sign")


def named(*people: OfficerKey) -> tuple[Officer, ...]:
    return tuple(key.public(("requester", "approver", "discloser")) for key in people)


def successors(people: tuple[Officer, ...] = named(*NEWCOMERS)) -> flow.Successors:
    return flow.Successors(people, Quorum(2, 2), sheets=3, threshold=2)


def first_secret(vault: Vault) -> bytes:
    """What the sheets of genesis give."""
    db = vault.keys.open("vault_recovery", size=1)
    words = []
    try:
        for name in ("ana", "bob"):
            key = officer_key(vault, name)
            with db.connection() as conn:
                sealed = find_share(conn, BREAK_GLASS, 1, OfficerId(key.officer))
            assert sealed is not None
            words.append(
                open_share(
                    key.share_seed, sealed, officer=key.officer, purpose=BREAK_GLASS,
                    token_serial=manifest_of(vault).tokens.escrow, generation=1,
                )
            )  # fmt: skip
    finally:
        db.close()
    return combine(words)


def counts(manifest: Manifest, secret: bytes) -> bool:
    """Are these the words that the manifest names?"""
    return public_key_of(secret, manifest.tokens.escrow) == manifest.break_glass.public_key


@dataclass(frozen=True)
class Ended:
    died: bool
    papers: Mapping[str, list[str]]  # the new sheets
    said: str

    @property
    def secret(self) -> bytes:
        """What two of the new sheets give."""
        return combine([" ".join(self.papers[number]) for number in ("1", "3")])


def run(vault: Vault, secret: bytes, *, die_after: str = "") -> Ended:
    """Do it; or die after this step."""
    papers, log = vault.home / "papers.json", vault.home / "break-glass.log"
    papers.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    arguments = (dict(vault.environment), secret, msgspec.json.encode(successors().officers), die_after, log)
    process = Forked(FORKS.Process(target=_break_glass, args=(*arguments, papers)))
    code = process.wait(30)
    said = log.read_text()
    assert code in (0, -signal.SIGKILL), said
    return Ended(code != 0, json.loads(papers.read_text()), said)


def _break_glass(
    environment: dict[str, str], secret: bytes, officers: bytes, die_after: str, log: Path, papers: Path
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    steps, keepers = Steps(2, papers.with_suffix(".steps")), Keepers()  # the first is "armed"
    real = sheets.hand_out

    def hand_out(*arguments: Any) -> None:
        real(*arguments)
        papers.write_text(json.dumps(keepers.papers))

    vars(flow)["hand_out"] = hand_out
    if die_after:
        owner = SecurityOfficer if die_after.startswith("set_") else flow
        setattr(owner, die_after, steps.counted(getattr(owner, die_after)))
    people = msgspec.json.decode(officers, type=tuple[Officer, ...])
    parts = build_ceremony(load_settings())
    steps.armed(flow.break_glass, parts, secret, successors(people), keepers)
