"""The page of one case: what is asked, what exactly would happen, how it stands, and what is signed."""

import hashlib

import msgspec

from vault_service.console.asking import passkey_of
from vault_service.console.cases.facts import CaseFacts, facts_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.recovery.acting import Acting
from vault_service.recovery.cases import read_case
from vault_service.recovery.standing import Standing, standing_of
from vault_service.web.view import Nothing, Reply, Shown, Told, View, Visit

_Visit = Visit[Services, Session, Nothing]


class Now(msgspec.Struct, frozen=True):
    """What a page that were loaded now would show, for the script of one that is open."""

    shows: str


def show(visit: _Visit) -> Reply:
    """Raises CaseNotFoundError, CaseRefusedError for a row that was altered."""
    acting, facts, standing = _seen(visit)
    in_a_file = not passkey_of(acting.authenticator).wrapped_share_key
    values = {
        "case": facts,
        "standing": standing,
        "shows": _shows(facts, standing),
        "file_first": in_a_file and bool(standing.waiting),
    }
    return Shown("cases/case.html", values)


def show_now(visit: _Visit) -> Reply:
    """Asked every few seconds; it keeps no session alive. Raises CaseNotFoundError."""
    try:
        _, facts, standing = _seen(visit)
    except CaseRefusedError:
        return Told(Now(""))  # the page says so, once it is loaded anew
    return Told(Now(_shows(facts, standing)))


def _seen(visit: _Visit) -> tuple[Acting, CaseFacts, Standing]:
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    shown = read_case(parts, acting.trusted, CaseId(visit.id("case_id")))
    return acting, facts_of(shown, acting.manifest, parts.now()), standing_of(parts, acting, shown)


def _shows(facts: CaseFacts, standing: Standing) -> str:
    """The same as long as the page would be the same; what is signed of a case never changes."""
    refused = [each and each.detail for each in (standing.not_approve, standing.not_veto)]
    voices = [(each.name, each.decision, each.error and each.error.detail) for each in facts.voices]
    told = (
        facts.stage, facts.need, facts.change, voices, facts.result,
        standing.has_approved, standing.waiting, standing.released, refused,
    )  # fmt: skip
    return hashlib.sha256(repr(told).encode()).hexdigest()


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/cases/{case_id}", show),
    View("GET", "/cases/{case_id}/now", show_now),
)
