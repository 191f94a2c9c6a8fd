"""The list of cases: those under way, or all. What waits for whom stands on the first page."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from vault_service.console.cases.facts import CaseFacts, facts_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.errors import VaultError
from vault_service.recovery.cases import list_all
from vault_service.web.view import Reply, Shown, Taken, View, Visit


class Which(Taken, frozen=True):
    """Those under way; "all": closed ones too."""

    show: Literal["open", "all"] = "open"


@dataclass(frozen=True, slots=True)
class Row:
    """Without facts, the case's row was altered, and `error` says so."""

    case_id: UUID
    facts: CaseFacts | None
    error: VaultError | None


def show(visit: Visit[Services, Session, Which]) -> Reply:
    """Newest first."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    now, closed_too = parts.now(), visit.asked.show == "all"
    rows = [
        Row(
            each.case_id,
            None if each.shown is None else facts_of(each.shown, acting.manifest, now),
            each.error,
        )
        for each in list_all(parts, acting.trusted, closed_too=closed_too)
    ]
    return Shown("cases/list.html", {"rows": rows, "closed_too": closed_too})


VIEWS: tuple[View[Services, Session], ...] = (View("GET", "/cases", show, Which),)
