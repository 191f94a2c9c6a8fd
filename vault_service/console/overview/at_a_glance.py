"""What several of the pages say: who looks, what waits, and what somebody should look at."""

from collections.abc import Iterator
from dataclasses import dataclass

from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.alerts import Alert, sorted_alerts
from vault_service.recovery.acting import Acting
from vault_service.recovery.activity import activity_alerts, watched_events
from vault_service.recovery.enrolments import waiting
from vault_service.recovery.looking import demand_may_look
from vault_service.recovery.progress import drills, progress_alerts, turns
from vault_service.recovery.share_state import share_alerts, share_state
from vault_service.recovery.system_health import health_alerts, system_health
from vault_service.recovery.work_list import WorkList, case_alerts, work_list
from vault_service.rotation.by_manifest import key_alerts, keys_due, keys_of
from vault_service.web.view import T, Visit

_LATELY_DAYS = 2  # whose hours are looked at for what is unusual
_NOT_KNOWN = (Alert("parts-slow", "now"),)


@dataclass(frozen=True, slots=True)
class Standing:
    """For the officer who looks."""

    acting: Acting
    work: WorkList
    alerts: tuple[Alert, ...]


def looking(visit: Visit[Services, Session, T]) -> Acting:
    """Who looks, once it is known that they may. Raises NotSignedInError, NotPermittedError, recorded."""
    acting = visit.services.officer(visit.who)
    demand_may_look(visit.services.recovery, acting, "list")
    return acting


def standing(visit: Visit[Services, Session, T]) -> Standing:
    """Raises as `looking`, and UnavailableError."""
    services, acting = visit.services, looking(visit)
    work = work_list(services.recovery, acting.trusted, acting.officer)
    threshold = acting.manifest.quorum.base
    of_cases = case_alerts(work, threshold, services.rule.alerts.case_expires_s)
    of_system = services.alerts.get(lambda: tuple(_of_system(services, acting)), _NOT_KNOWN)
    return Standing(acting, work, sorted_alerts([*of_cases, *of_system]))


def _of_system(services: Services, acting: Acting) -> Iterator[Alert]:
    """The same for every officer."""
    parts, trusted, rule = services.recovery, acting.trusted, services.rule.alerts
    keys, records, now = services.audit_keys, services.audit_records, services.recovery.now()
    health = system_health(parts, keys, records)
    yield from health_alerts(health)
    # A log that is away is told of once, and nothing of it is asked for.
    reachable = {seen.log for seen in health.logs if seen.state is not None}
    keys, records = keys if "keys" in reachable else None, records if "records" in reachable else None
    shares = share_state(parts, trusted, rule, keys)
    yield from share_alerts(shares, services.rp_id)
    if newcomers := waiting(parts, trusted):
        yield Alert("newcomer-waits", "soon", n=len(newcomers))
    if weaker := parts.rules.below_quorum(acting.manifest.quorum):
        yield Alert("below-quorum", "soon", n=len(weaker))
    yield from progress_alerts(turns(parts), drills(parts, trusted, keys), rule, now)
    if services.periods is not None:
        due = keys_due(keys_of(trusted.history()), shares.since, services.periods)
        yield from key_alerts(due, now, rule.key_soon_days)
    book = services.activity
    of_keys = book.counts(keys, "keys", _LATELY_DAYS, now) if keys else None
    of_records = book.counts(records, "records", _LATELY_DAYS, now) if records else None
    yield from activity_alerts(watched_events(keys, records, now), of_keys, of_records, rule, now)
