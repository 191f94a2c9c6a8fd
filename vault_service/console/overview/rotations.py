"""Drills and rotations: what runs, what is due, and what came of the last ones."""

from vault_service.console.overview import plots
from vault_service.console.overview.at_a_glance import looking
from vault_service.console.overview.live import says_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.alerts import sorted_alerts
from vault_service.recovery.progress import drills, key_cases, pictured, progress_alerts, turns
from vault_service.recovery.share_state import share_state
from vault_service.recovery.work_list import all_gatherings
from vault_service.rotation.by_manifest import key_alerts, keys_due, keys_of
from vault_service.web.view import Nothing, Reply, Shown, Visit


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """Live where a script may run; as it was a moment ago where none may."""
    services, acting = visit.services, looking(visit)
    parts, trusted, rule = services.recovery, acting.trusted, services.rule.alerts
    now = parts.now()
    found, drilled = turns(parts), drills(parts, trusted, services.audit_keys)
    under_way = [each for each in found if each.state != "finished"]
    keys = keys_of(trusted.history())
    shares = share_state(parts, trusted, rule)
    due = keys_due(keys, shares.since, services.periods) if services.periods else ()
    alerts = [*progress_alerts(found, drilled, rule, now), *key_alerts(due, now, rule.key_soon_days)]
    return Shown(
        "overview/rotations.html",
        {
            "under_way": [(each, says_of(services, each)) for each in under_way],
            "pictures": [
                (each, plots.rotation(each, pictured(parts, each.rotation), now))
                for each in (*under_way, *[each for each in found if each.state == "finished"][:1])
            ],
            "ended": [each for each in found if each.state == "finished"],
            "gatherings": all_gatherings(parts, trusted),
            "threshold": acting.manifest.quorum.base,
            "drills": drilled,
            "every_days": parts.rules.drill.every_days,
            "key_cases": key_cases(parts),
            "keys": keys,
            "due": {each.kind: each for each in due},
            "now": now,
            "alerts": sorted_alerts(alerts),
            "trail": services.audit_keys is not None,
        },
    )
