"""The list of cases: those under way, or all. What waits for whom stands on the first page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from msgspec import Meta

from vault_service.console.cases.facts import CaseFacts, facts_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.errors import VaultError
from vault_service.recovery.cases import list_page
from vault_service.web.view import Reply, Shown, Taken, View, Visit


class Which(Taken, frozen=True):
    """Those under way; "all": closed ones too."""

    show: Literal["open", "all"] = "open"
    page: Annotated[str, Meta(max_length=100)] = ""  # cursor


@dataclass(frozen=True, slots=True)
class Row:
    """Without facts, the case's row was altered, and `error` says so."""

    case_id: UUID
    facts: CaseFacts | None
    error: VaultError | None


def show(visit: Visit[Services, Session, Which]) -> Reply:
    """Newest first, a page of them."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    now, closed_too = parts.now(), visit.asked.show == "all"
    listed, more = list_page(parts, acting.trusted, closed_too=closed_too, cursor=visit.asked.page)
    rows = [
        Row(
            each.case_id,
            None if each.shown is None else facts_of(each.shown, acting.manifest, now),
            each.error,
        )
        for each in listed
    ]
    here = {"show": "all"} if closed_too else {}
    values = {
        "rows": rows,
        "closed_too": closed_too,
        "newest": _address(here) if visit.asked.page else "",
        "older": _address({**here, "page": more}) if more else "",
    }
    return Shown("cases/list.html", values)


def _address(query: Mapping[str, str]) -> str:
    return f"/cases?{urlencode(query)}" if query else "/cases"


VIEWS: tuple[View[Services, Session], ...] = (View("GET", "/cases", show, Which),)
