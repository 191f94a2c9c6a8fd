"""Everything that somebody should look at, with what to do about it."""

from vault_service.console.overview.at_a_glance import standing
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.web.view import Nothing, Reply, Shown, Visit


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """The most urgent first."""
    found, services = standing(visit), visit.services
    return Shown(
        "overview/alerts.html",
        {
            "alerts": found.alerts,
            "at": found.work.at,
            "rule": services.rule.alerts,
            "drill_days": services.recovery.rules.drill.every_days,
            "unseen": [
                name
                for name, db in (("keys", services.audit_keys), ("records", services.audit_records))
                if db is None
            ],
        },
    )
