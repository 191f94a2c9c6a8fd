"""The page of one case: what is asked, what exactly would happen, how it stands, and what is signed."""

import msgspec

from vault_service.console.asking import passkey_of
from vault_service.console.cases.facts import facts_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.ids import CaseId
from vault_service.recovery.case_version import case_version
from vault_service.recovery.cases import read_case
from vault_service.recovery.standing import standing_of
from vault_service.web.view import Nothing, Reply, Shown, Told, View, Visit

_Visit = Visit[Services, Session, Nothing]


class Now(msgspec.Struct, frozen=True):
    """What a page that were loaded now would show, for the script of one that is open."""

    shows: str


def show(visit: _Visit) -> Reply:
    """Raises CaseNotFoundError, CaseRefusedError for a row that was altered."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    case = CaseId(visit.id("case_id"))
    version = case_version(parts, acting, case)  # first: what changes meanwhile is shown, and told once more
    shown = read_case(parts, acting.trusted, case)
    standing = standing_of(parts, acting, shown)
    in_a_file = not passkey_of(acting.authenticator).wrapped_share_key
    values = {
        "case": facts_of(shown, acting.manifest, parts.now()),
        "standing": standing,
        "shows": version,
        "file_first": in_a_file and bool(standing.waiting),
    }
    return Shown("cases/case.html", values)


def show_now(visit: _Visit) -> Reply:
    """Asked every few seconds: nothing is judged, and no session is kept alive. Raises CaseNotFoundError."""
    acting = visit.services.officer(visit.who)
    return Told(Now(case_version(visit.services.recovery, acting, CaseId(visit.id("case_id")))))


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/cases/{case_id}", show),
    View("GET", "/cases/{case_id}/now", show_now),
)
