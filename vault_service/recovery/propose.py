"""Open the case of an officer change, and show who the officers are."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast, get_args

from vault_service.ceremony.shares import ESCROW_PIN
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Officer, Role
from vault_service.recovery.acting import Acting, ActingWithKey
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.officers import Change, Proposal, propose
from vault_service.recovery.open_case import Wanted, open_case
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.trust import trusted_chain
from vault_service.storage.keys.cases import list_cases
from vault_service.storage.keys.shares import list_pin_generations, list_shares


@dataclass(frozen=True, slots=True)
class OfficerStatus:
    """Somebody whom the newest manifest names."""

    officer: Officer
    holds_share: bool  # of the PIN that the escrow token has; a new officer gets one with the next ceremony


def list_officers(parts: RecoveryParts) -> tuple[OfficerStatus, ...]:
    """As the verified chain names them; a row of a table makes nobody an officer. Raises ManifestError."""
    manifest = trusted_chain(parts).newest
    with parts.db.connection() as conn:
        active = [row for row in list_pin_generations(conn) if row.state == "active"]
        holders = list_shares(conn, ESCROW_PIN, active[0].pin_gen) if active else {}
    return tuple(OfficerStatus(officer, officer.officer_id in holders) for officer in manifest.officers)


def draw_up(parts: RecoveryParts, acting: Acting, changes: Sequence[Change]) -> Proposal:
    """What would be opened. Raises InvalidInputError, ManifestError."""
    if not changes:
        raise InvalidInputError("propose", "name at least one change")
    return propose(acting.manifest, changes, parts.now())


def open_change(parts: RecoveryParts, acting: ActingWithKey, proposal: Proposal, reason: str) -> ShownCase:
    """Open the case, which other officers decide. Raises as open_case does."""
    return open_case(parts, acting, Wanted("officer-change", reason, manifest=proposal.body))


def roles_of(names: Sequence[str]) -> tuple[Role, ...]:
    """Roles by their names. Raises InvalidInputError."""
    known = get_args(Role)
    if unknown := [each for each in names if each not in known]:
        raise InvalidInputError("role", f"{', '.join(unknown)}: there are {', '.join(known)}")
    return cast("tuple[Role, ...]", tuple(names))


def escrow_key_of(text: str) -> tuple[int, bytes]:
    """An escrow key as the key ceremony shows it: generation, point. Raises InvalidInputError."""
    found = re.fullmatch(r"escrow/([1-9][0-9]{0,8}):\s*(04[0-9a-f]{128})", text.strip())
    if found is None:
        raise InvalidInputError("escrow key", "write it as the ceremony shows it: escrow/2:04…")
    return int(found.group(1)), bytes.fromhex(found.group(2))


def check_escrow_point(parts: RecoveryParts, point: bytes) -> None:
    """Whether a key ceremony that was executed says that the token made this key.

    Each officer compares the hash with what the ceremony showed: the database alone is nobody's word.
    Raises InvalidInputError.
    """
    digest = hashlib.sha256(point).digest()
    with parts.db.connection() as conn:
        made = [
            row
            for row in list_cases(conn, under_way=False)
            if row.kind == "key-ceremony" and row.state == "executed"
        ]
    if all(row.result != digest for row in made):
        raise InvalidInputError("escrow key", "no key ceremony that was executed has this key as its result")
