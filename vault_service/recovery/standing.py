"""What one officer may do with a case now, and why not: to be shown before anybody signs.

It decides nothing and records nothing: whoever then decides is asked everything again (decide.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

from vault_service.crypto.approvals import check_may_decide, voice_of
from vault_service.domain.case import Decision
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import CeremonyId
from vault_service.recovery.acting import Acting
from vault_service.recovery.cases import ShownCase, demand_open
from vault_service.recovery.decide import has_approved
from vault_service.recovery.officers import review
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.ceremonies import released_by


@dataclass(frozen=True, slots=True)
class Standing:
    """One officer before one case."""

    has_approved: bool
    not_approve: VaultError | None  # why not
    not_veto: VaultError | None
    waiting: tuple[CeremonyId, ...]  # ceremonies for it that have no share of this officer yet
    released: tuple[CeremonyId, ...]  # and that have


def standing_of(parts: RecoveryParts, acting: Acting, shown: ShownCase) -> Standing:
    """Raises UnavailableError."""
    with parts.db.connection() as conn:
        released = released_by(conn, acting.officer_id, shown.ceremonies)
    return Standing(
        has_approved=has_approved(parts, acting, shown),
        not_approve=_refusal(lambda: _check(parts, acting, shown, "approve")),
        not_veto=_refusal(lambda: _check(parts, acting, shown, "veto")),
        waiting=tuple(each for each in shown.ceremonies if each not in released),
        released=released,
    )


def _check(parts: RecoveryParts, acting: Acting, shown: ShownCase, decision: Decision) -> None:
    if decision == "approve" or shown.state != "executing":
        demand_open(parts, shown)
    officer, _ = voice_of(acting.manifest, acting.officer_id, acting.authenticator_id)
    check_may_decide(shown.case, officer, decision, parts.authority)
    if decision == "approve" and shown.proposed is not None:
        review(shown.proposed, acting.manifest)


def _refusal(check: Callable[[], None]) -> VaultError | None:
    try:
        check()
    except VaultError as error:
        return error
    return None
