"""Officers and shares: who holds what, who was seen when, how many may be missing."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from vault_service.console.overview.at_a_glance import looking
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.alerts import sorted_alerts
from vault_service.domain.manifest import Officer
from vault_service.domain.visible import visible
from vault_service.recovery.share_state import HeldBy, share_alerts, share_state
from vault_service.web.view import Nothing, Reply, Shown, Visit


@dataclass(frozen=True, slots=True)
class Person:
    """One officer as the page shows them."""

    officer_id: UUID
    name: str
    is_me: bool
    roles: tuple[str, ...]
    signs_with: tuple[
        tuple[str, int], ...
    ]  # how many of each kind: key-file, passkey, passkey-file (one that derives no key), other-site
    holds_share: bool
    is_to_hold: bool
    accounts: int  # that they declared as their own
    last_act: datetime | None
    is_idle: bool


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """As the newest verified manifest names them."""
    services, acting = visit.services, looking(visit)
    parts, rule = services.recovery, services.rule.alerts
    state = share_state(parts, acting.trusted, rule, services.audit_keys)
    may_invite = bool(parts.authority.rules_that_permit_in_general(acting.officer, "invite"))
    return Shown(
        "overview/officers.html",
        {
            "people": [_person(each, services.rp_id, acting.officer_id) for each in state.people],
            "state": state,
            "manifest": acting.manifest,
            "alerts": sorted_alerts(list(share_alerts(state, services.rp_id))),
            "idle_days": rule.officer_idle_days,
            "trail": services.audit_keys is not None,
            "may_invite": may_invite,
        },
    )


def _person(held: HeldBy, rp_id: str, me: UUID) -> Person:
    officer = held.officer
    return Person(
        officer.officer_id,
        visible(officer.name),
        officer.officer_id == me,
        officer.roles,
        tuple(Counter(_signs_with(officer, rp_id)).items()),
        held.holds_share,
        held.is_to_hold,
        len(officer.user_ids),
        held.last_act,
        held.is_idle,
    )


def _signs_with(officer: Officer, rp_id: str) -> list[str]:
    found: list[str] = []
    for each in officer.authenticators:
        if not each.passkey:
            found.append("key-file")
        elif each.passkey.rp_id != rp_id:
            found.append("other-site")
        else:
            found.append("passkey" if each.passkey.wrapped_share_key else "passkey-file")
    return found
