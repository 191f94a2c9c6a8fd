"""How much happened when: log-ins and failures, bulk reads, cases. Counted once and remembered.

A day that is over does not change, but for events that were committed late; so it is counted once, an hour
after its end at the earliest, and the count is kept in memory. A page never waits for more than a few
seconds: what is not counted by then is told, and counted when somebody looks again.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from vault_service.domain.alerts import Alert, Level
from vault_service.domain.case import CaseKind
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.logs import LogName
from vault_service.policy.page_rules import AlertRule
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.audit.activity import (
    Bucket,
    Counted,
    count_kinds,
    count_of_officers,
    keys_activity,
    records_activity,
)
from vault_service.storage.keys.work import app_names, opened_since
from vault_service.storage.patience import patient
from vault_service.storage.pool import Conn, Database

SIGNED_IN = (KeysEvent.UNLOCKED,)
REFUSED = (KeysEvent.UNLOCK_REFUSED, KeysEvent.UNLOCK_THROTTLED)
BULK = (RecordsEvent.RECORDS_LISTED, RecordsEvent.RECORDS_SEARCHED, RecordsEvent.RECORDS_EXPORTED)

WATCHED_KEYS = (
    KeysEvent.WRAP_INTEGRITY_FAILED, KeysEvent.CASE_INTEGRITY_FAILED, KeysEvent.PASSKEY_COUNTER_WENT_BACK,
    KeysEvent.OFFICER_REFUSED, KeysEvent.OFFICER_SIGN_IN_REFUSED, KeysEvent.APPROVAL_REFUSED,
    KeysEvent.IDENTIFICATION_REFUSED, KeysEvent.PEEL_REFUSED,
    KeysEvent.DRILL_FAILED, KeysEvent.BREAK_GLASS_USED, KeysEvent.CHECKPOINT_REFUSED,
    KeysEvent.LOG_RESTORED, KeysEvent.RECORDS_LOG_RESTORE_ACCEPTED, KeysEvent.MANIFESTS_PUT_BACK,
    KeysEvent.PIN_VOID, KeysEvent.KEY_CHANGE_REFUSED,
)  # fmt: skip
WATCHED_RECORDS = (
    RecordsEvent.RECORD_INTEGRITY_FAILED, RecordsEvent.SESSION_REFUSED, RecordsEvent.LOG_RESTORED,
)  # fmt: skip
"""Kinds that somebody should know of, however few there are."""
GRAVE: frozenset[KeysEvent | RecordsEvent] = frozenset(
    {
        KeysEvent.WRAP_INTEGRITY_FAILED, KeysEvent.CASE_INTEGRITY_FAILED, KeysEvent.PEEL_REFUSED,
        KeysEvent.PASSKEY_COUNTER_WENT_BACK, KeysEvent.DRILL_FAILED, KeysEvent.BREAK_GLASS_USED,
        KeysEvent.CHECKPOINT_REFUSED, KeysEvent.LOG_RESTORED, KeysEvent.MANIFESTS_PUT_BACK,
        RecordsEvent.RECORD_INTEGRITY_FAILED, RecordsEvent.SESSION_REFUSED, RecordsEvent.LOG_RESTORED,
    }
)  # fmt: skip

_BUDGET_S = 4.0
_STATEMENT_S = 5
_SETTLED = timedelta(hours=1)
_FRESH_S = 30.0  # today's count is good for so long
_KEPT_DAYS = 400

Key = tuple[LogName, datetime]


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted of a stretch of days."""

    since: datetime
    until: datetime
    buckets: tuple[Bucket, ...]
    uncounted: frozenset[datetime]  # days that are not counted yet, or could not be

    def events(self, kinds: Iterable[KeysEvent | RecordsEvent]) -> dict[datetime, int]:
        """Events by hour."""
        return self._sum(kinds, lambda each: each.events)

    def records(self, kinds: Iterable[RecordsEvent]) -> dict[datetime, int]:
        """Records by hour."""
        return self._sum(kinds, lambda each: each.n)

    def _sum(
        self, kinds: Iterable[KeysEvent | RecordsEvent], of: Callable[[Bucket], int]
    ) -> dict[datetime, int]:
        wanted = {int(kind) for kind in kinds}
        found: dict[datetime, int] = {}
        for each in self.buckets:
            if each.kind in wanted:
                found[each.hour] = found.get(each.hour, 0) + of(each)
        return found


@dataclass(slots=True)
class ActivityBook:
    """Thread-safe; one a process."""

    clock: Callable[[], float] = time.monotonic
    budget_s: float = _BUDGET_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _days: dict[Key, tuple[float | None, tuple[Bucket, ...]]] = field(
        default_factory=dict[Key, tuple[float | None, tuple[Bucket, ...]]]
    )

    def counts(self, db: Database, log: LogName, days: int, now: datetime) -> Counts:
        """Of so many days until now, today's among them; the newest are counted first."""
        today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        began, uncounted = self.clock(), set[datetime]()
        found: list[Bucket] = []
        for back in range(days):
            day = today - timedelta(days=back)
            known = self._known(log, day)
            if known is None:
                if self.clock() - began > self.budget_s:
                    uncounted.add(day)
                    continue
                known = self._count(db, log, day, now)
            if known is None:
                uncounted.add(day)
            else:
                found.extend(known)
        buckets = tuple(sorted(found, key=lambda each: each.hour))
        return Counts(today - timedelta(days=days - 1), now, buckets, frozenset(uncounted))

    def _known(self, log: LogName, day: datetime) -> tuple[Bucket, ...] | None:
        with self._lock:
            found = self._days.get((log, day))
        if found is None or (found[0] is not None and self.clock() > found[0]):
            return None
        return found[1]

    def _count(self, db: Database, log: LogName, day: datetime, now: datetime) -> tuple[Bucket, ...] | None:
        """None: the database is away, or there is more than can be counted in a few seconds."""
        end = day + timedelta(days=1)
        try:
            with db.transaction() as conn, patient(conn, _STATEMENT_S):
                counted = _day(conn, log, day, end)
        except VaultError:
            return None
        good_until = None if now - end > _SETTLED else self.clock() + _FRESH_S
        with self._lock:
            while len(self._days) >= 2 * _KEPT_DAYS:
                del self._days[min(self._days, key=lambda each: each[1])]
            self._days[log, day] = (good_until, counted)
        return counted


def _day(conn: Conn, log: LogName, since: datetime, until: datetime) -> tuple[Bucket, ...]:
    if log == "keys":
        return keys_activity(conn, since, until, (*SIGNED_IN, *REFUSED))
    return records_activity(conn, since, until, BULK)


@dataclass(frozen=True, slots=True)
class Watched:
    """A kind of event that happened since yesterday."""

    log: LogName
    kind: KeysEvent | RecordsEvent
    counted: Counted


def watched_events(
    audit_keys: Database | None, audit_records: Database | None, now: datetime
) -> tuple[Watched, ...]:
    """Of the last 24 hours. A log that is away is left out: the health of the system tells that."""
    since = now - timedelta(days=1)
    return (
        *(Watched("keys", KeysEvent(each.kind), each) for each in _counted(audit_keys, since, WATCHED_KEYS)),
        *(Watched("keys", KeysEvent(each.kind), each) for each in _not_trusted(audit_keys, since)),
        *(
            Watched("records", RecordsEvent(each.kind), each)
            for each in _counted(audit_records, since, WATCHED_RECORDS)
        ),
    )


def _not_trusted(db: Database | None, since: datetime) -> tuple[Counted, ...]:
    """Only where an officer's side refused.

    The key service refuses one with every waiting period: a ceremony asks by its own clock, and witnesses'
    clocks and ticks end a second or two later. It asks again.
    """
    if db is None:
        return ()
    try:
        with db.transaction() as conn, patient(conn, _STATEMENT_S):
            return count_of_officers(conn, since, KeysEvent.CEREMONY_REFUSED)
    except VaultError:
        return ()


def _counted(
    db: Database | None, since: datetime, kinds: Sequence[KeysEvent] | Sequence[RecordsEvent]
) -> tuple[Counted, ...]:
    if db is None:
        return ()
    try:
        with db.transaction() as conn, patient(conn, _STATEMENT_S):
            return count_kinds(conn, since, kinds)
    except VaultError:
        return ()


def activity_alerts(
    watched: Iterable[Watched], keys: Counts | None, records: Counts | None, rule: AlertRule, now: datetime
) -> Iterable[Alert]:
    """What the logs tell of the last day, and of the last two hours that are on the clock."""
    for each in watched:
        level: Level = "now" if each.kind in GRAVE else "soon"
        name = f"{each.log}.{each.kind.name.lower()}"
        yield Alert("events", level, name, n=each.counted.events, at=each.counted.last)
    since = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    if keys is not None:
        worst = max((n for hour, n in keys.events(REFUSED).items() if hour >= since), default=0)
        if worst > rule.refused_sign_ins:
            yield Alert("sign-ins-refused", "soon", n=worst, of=rule.refused_sign_ins)
    if records is not None:
        by_app: dict[tuple[str, datetime], int] = {}
        for bucket in records.buckets:
            if bucket.hour >= since:
                place = (str(bucket.app), bucket.hour)
                by_app[place] = by_app.get(place, 0) + bucket.n
        for (app, _), n in sorted(by_app.items()):
            if n > rule.records_read:
                yield Alert("bulk-read", "soon", app, n=n, of=rule.records_read)


def cases_opened(
    parts: RecoveryParts, days: int
) -> tuple[list[tuple[datetime, CaseKind, str, int]], dict[UUID, str]]:
    """Day (UTC), kind, state, number of the cases of so many days; and what apps are called."""
    today = parts.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with parts.db.connection() as conn:
        return opened_since(conn, today - timedelta(days=days - 1)), app_names(conn)
