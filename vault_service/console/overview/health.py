"""Whether the parts of the vault can be used, and how the vault is set up."""

from vault_service.console.overview.at_a_glance import looking
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.alerts import sorted_alerts
from vault_service.domain.case import CASE_KINDS, Scope
from vault_service.recovery.system_health import health_alerts, system_health
from vault_service.web.view import Nothing, Reply, Shown, Visit


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """Each part is really asked."""
    services, acting = visit.services, looking(visit)
    parts = services.recovery
    found = system_health(parts, services.audit_keys, services.audit_records)
    rules, quorum = parts.rules, acting.manifest.quorum
    return Shown(
        "overview/health.html",
        {
            "health": found,
            "alerts": sorted_alerts(list(health_alerts(found))),
            "manifest": acting.manifest,
            "fingerprint": parts.fingerprint,
            "weaker": rules.below_quorum(quorum),
            "cases": [
                (
                    kind,
                    rules.quorum_of(kind, Scope(sample=1) if kind == "drill" else Scope(), quorum),
                    rules.waiting_of(kind),
                    rules.expiry_of(kind),
                )
                for kind in CASE_KINDS
            ],
        },
    )
