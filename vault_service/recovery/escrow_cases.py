"""Cases that an escrow rotation consists of: where it stands. Whoever decides one reads that itself."""

from dataclasses import dataclass
from datetime import datetime

from vault_service.domain.case import CaseKind, parse_case
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import CaseId
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.cases import newest_cases

_KINDS: tuple[CaseKind, ...] = ("key-ceremony", "officer-change", "escrow-rotation", "drill")


@dataclass(frozen=True, slots=True)
class EscrowCase:
    """One of them."""

    case: CaseId
    kind: CaseKind
    state: CaseState
    opened_at: datetime
    result: bytes | None  # key ceremony: SHA-256 of the public key
    everybody: bool  # a drill over all users


def escrow_cases(parts: RecoveryParts) -> tuple[EscrowCase, ...]:
    """Newest first. Nothing here is verified: it tells where to look, and decides nothing."""
    with parts.db.connection() as conn:
        rows = newest_cases(conn, _KINDS)
    return tuple(
        EscrowCase(
            row.case, row.kind, row.state, row.opened_at, row.result, _is_of_everybody(row.kind, row.body)
        )
        for row in rows
    )


def _is_of_everybody(kind: CaseKind, body: bytes) -> bool:
    if kind != "drill":
        return False
    try:
        return parse_case(body).scope.sample is None
    except VaultError:  # altered: vaultctl recovery list says so
        return False
