"""Take the logs and the public keys along, to check them where nobody of this vault has a hand in it."""

from datetime import UTC, datetime

from vault_service.console.audit.logs import audit_parts
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.recovery.audit_explorer import export, keys
from vault_service.recovery.looking import demand_may_look
from vault_service.web.view import Download, Nothing, Reply, View, Visit


def take_export(visit: Visit[Services, Session, Nothing]) -> Reply:
    """A POST, since it leaves an event. Raises NoCheckpointError."""
    services = visit.services
    pieces = export(services.recovery, audit_parts(services), services.officer(visit.who))
    return Download(f"vault-audit-{datetime.now(UTC):%Y-%m-%d}.zip", "application/zip", pieces)


def take_keys(visit: Visit[Services, Session, Nothing]) -> Reply:
    """audit.vkey: public keys only."""
    services = visit.services
    demand_may_look(services.recovery, services.officer(visit.who), "list")
    text = keys(services.recovery, audit_parts(services))
    return Download("audit.vkey", "text/plain; charset=us-ascii", iter((text.encode(),)))


VIEWS: tuple[View[Services, Session], ...] = (
    View("POST", "/audit/export", take_export),
    View("GET", "/audit/audit.vkey", take_keys),
)
