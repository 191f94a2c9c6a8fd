"""One event: what it says, where it stands as well, and with one click the proof that it is in the log."""

from uuid import UUID

from vault_service.console.audit.logs import LABELS, audit_parts, officers
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.errors import NoSuchRouteError
from vault_service.domain.logs import BY_NAME, LogName
from vault_service.recovery.audit_explorer import prove, show
from vault_service.web.view import Download, Nothing, Reply, Shown, View, Visit

_PATH = "/audit/{log}/{user_id}/{event_id}"
_Page = Visit[Services, Session, Nothing]


def show_event(visit: _Page) -> Reply:
    """Raises NotFoundError."""
    log, user, event = _place(visit)
    services = visit.services
    acting = services.officer(visit.who)
    seen = show(services.recovery, audit_parts(services), acting, log, user, event)
    values = {"event": seen[0], "elsewhere": seen[1:], "names": officers(acting), "labels": LABELS}
    return Shown("audit/event.html", values)


def show_proof(visit: _Page) -> Reply:
    """Raises NotFoundError, NotSealedYetError, IntegrityError."""
    log, user, event = _place(visit)
    services = visit.services
    proof = prove(services.recovery, audit_parts(services), services.officer(visit.who), log, user, event)
    place = {"log": log, "user": user, "event_id": event}
    return Shown("audit/proof.html", {"proof": proof, "file": _file(log, event), **place})


def take_proof(visit: _Page) -> Reply:
    """The same as a file."""
    log, user, event = _place(visit)
    services = visit.services
    proof = prove(services.recovery, audit_parts(services), services.officer(visit.who), log, user, event)
    return Download(_file(log, event), "application/json", iter((proof.document,)))


def _place(visit: _Page) -> tuple[LogName, UUID, UUID]:
    log = BY_NAME.get(visit.path["log"])
    if log is None:
        raise NoSuchRouteError
    return log, visit.id("user_id"), visit.id("event_id")


def _file(log: LogName, event: UUID) -> str:
    return f"{log}-{event}.json"


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", _PATH, show_event),
    View("GET", f"{_PATH}/proof", show_proof),
    View("GET", f"{_PATH}/proof.json", take_proof),
)
