"""The page of one case: what is asked, what exactly would happen, how it stands, and what is signed."""

from vault_service.console.asking import passkey_of
from vault_service.console.cases.facts import facts_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.ids import CaseId
from vault_service.recovery.cases import read_case
from vault_service.recovery.standing import standing_of
from vault_service.web.view import Nothing, Reply, Shown, View, Visit


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """Raises CaseNotFoundError, CaseRefusedError for a row that was altered."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    shown = read_case(parts, acting.trusted, CaseId(visit.id("case_id")))
    standing = standing_of(parts, acting, shown)
    in_a_file = not passkey_of(acting.authenticator).wrapped_share_key
    values = {
        "case": facts_of(shown, acting.manifest, parts.now()),
        "standing": standing,
        "file_first": in_a_file and bool(standing.waiting),
    }
    return Shown("cases/case.html", values)


VIEWS: tuple[View[Services, Session], ...] = (View("GET", "/cases/{case_id}", show),)
