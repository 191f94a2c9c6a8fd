"""How much happened when: counted once, remembered, and never waited for long."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from tests.rig.postgres import TestDatabase
from vault_service.domain.alerts import Alert
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.policy.page_rules import AlertRule
from vault_service.recovery.activity import (
    BULK,
    REFUSED,
    SIGNED_IN,
    ActivityBook,
    activity_alerts,
    watched_events,
)
from vault_service.storage.pool import Database

NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
RULE = AlertRule(refused_sign_ins=3, records_read=100)


@pytest.fixture
def keys(keys_db: TestDatabase) -> Iterator[Database]:
    db = keys_db.open("vault_auditor_keys", size=1)
    yield db
    db.close()


@pytest.fixture
def records(records_db: TestDatabase) -> Iterator[Database]:
    db = records_db.open("vault_auditor_records", size=1)
    yield db
    db.close()


def happened(database: TestDatabase, kind: KeysEvent, at: datetime, times: int = 1) -> None:
    with database.superuser() as conn:
        for _ in range(times):
            conn.execute(
                "INSERT INTO audit_events (user_id, event_id, kind, at) VALUES (%s, %s, %s, %s)",
                (uuid4(), uuid4(), int(kind), at),
            )


def read(
    database: TestDatabase,
    n: int,
    at: datetime,
    app: object,
    kind: RecordsEvent = RecordsEvent.RECORDS_EXPORTED,
) -> None:
    with database.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, n, app_id)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            (uuid4(), uuid4(), int(kind), at, n, app),
        )


def test_events_are_counted_by_the_hour(keys_db: TestDatabase, keys: Database) -> None:
    happened(keys_db, KeysEvent.UNLOCKED, NOW - timedelta(minutes=10), 2)
    happened(keys_db, KeysEvent.UNLOCK_REFUSED, NOW - timedelta(hours=25))
    happened(keys_db, KeysEvent.UNLOCK_THROTTLED, NOW - timedelta(hours=25))
    happened(keys_db, KeysEvent.UNLOCKED, NOW - timedelta(days=9))

    counts = ActivityBook().counts(keys, "keys", 7, NOW)

    assert counts.events(SIGNED_IN) == {NOW.replace(minute=0): 2}
    assert counts.events(REFUSED) == {NOW.replace(minute=0, hour=8) - timedelta(days=1): 2}
    assert counts.uncounted == frozenset()


def test_a_day_that_is_over_is_counted_once(keys_db: TestDatabase, keys: Database) -> None:
    """A month of a large vault would otherwise be read again for each look."""
    clock = [0.0]
    book = ActivityBook(clock=lambda: clock[0])
    happened(keys_db, KeysEvent.UNLOCKED, NOW - timedelta(days=2))
    book.counts(keys, "keys", 3, NOW)

    happened(keys_db, KeysEvent.UNLOCKED, NOW - timedelta(days=2))
    happened(keys_db, KeysEvent.UNLOCKED, NOW)
    clock[0] += 3600

    counts = book.counts(keys, "keys", 3, NOW)
    assert sum(counts.events(SIGNED_IN).values()) == 2  # one of the older day, and today's


def test_a_page_does_not_wait_for_days_that_take_long(keys_db: TestDatabase, keys: Database) -> None:
    """What is not counted in time is told to be missing, and the newest days come first."""
    clock = [0.0]

    def slow() -> float:
        clock[0] += 1
        return clock[0]

    happened(keys_db, KeysEvent.UNLOCKED, NOW)
    book = ActivityBook(clock=slow, budget_s=5)

    first = book.counts(keys, "keys", 30, NOW)
    assert first.events(SIGNED_IN) == {NOW.replace(minute=0): 1}
    assert 0 < len(first.uncounted) < 30
    assert min(set(range(30)) - {(NOW - day).days for day in first.uncounted}) == 0

    book.clock = lambda: clock[0]
    assert book.counts(keys, "keys", 30, NOW).uncounted == frozenset()


def test_a_database_that_hangs_leaves_a_gap_and_no_error(keys_db: TestDatabase, keys: Database) -> None:
    keys.close()

    assert len(ActivityBook().counts(keys, "keys", 2, NOW).uncounted) == 2
    assert watched_events(keys, None, NOW) == ()


def test_records_that_are_read_in_bulk_are_counted_by_app(
    records_db: TestDatabase, records: Database
) -> None:
    app = uuid4()
    read(records_db, 60, NOW - timedelta(minutes=5), app)
    read(records_db, 70, NOW - timedelta(minutes=4), app, RecordsEvent.RECORDS_SEARCHED)
    read(records_db, 90, NOW - timedelta(minutes=4), uuid4())

    counts = ActivityBook().counts(records, "records", 2, NOW)

    assert sum(counts.records(BULK).values()) == 220
    found = list(activity_alerts((), None, counts, RULE, NOW))
    assert found == [Alert("bulk-read", "soon", str(app), n=130, of=100)]


def test_many_refused_log_ins_of_one_hour_are_told(keys_db: TestDatabase, keys: Database) -> None:
    happened(keys_db, KeysEvent.UNLOCK_REFUSED, NOW - timedelta(minutes=5), 4)
    happened(keys_db, KeysEvent.UNLOCK_REFUSED, NOW - timedelta(hours=5), 9)  # over and seen

    counts = ActivityBook().counts(keys, "keys", 2, NOW)

    assert list(activity_alerts((), counts, None, RULE, NOW)) == [
        Alert("sign-ins-refused", "soon", n=4, of=3)
    ]


def test_one_broken_wrap_is_told_however_much_else_happened(keys_db: TestDatabase, keys: Database) -> None:
    happened(keys_db, KeysEvent.UNLOCKED, NOW, 5)
    happened(keys_db, KeysEvent.WRAP_INTEGRITY_FAILED, NOW - timedelta(hours=2))
    happened(keys_db, KeysEvent.IDENTIFICATION_REFUSED, NOW - timedelta(hours=3), 2)
    happened(keys_db, KeysEvent.PEEL_REFUSED, NOW - timedelta(hours=30))

    watched = watched_events(keys, None, NOW)

    assert list(activity_alerts(watched, None, None, RULE, NOW)) == [
        Alert("events", "now", "keys.wrap_integrity_failed", n=1, at=NOW - timedelta(hours=2)),
        Alert("events", "soon", "keys.identification_refused", n=2, at=NOW - timedelta(hours=3)),
    ]


@pytest.mark.parametrize("side", ["keys", "records"])
def test_a_stretch_of_a_long_trail_is_found_by_its_time(
    side: str, keys_db: TestDatabase, records_db: TestDatabase
) -> None:
    """Of a hundred thousand events written over a hundred days, one day's part is read."""
    database = keys_db if side == "keys" else records_db
    with database.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at)
               SELECT gen_random_uuid(), gen_random_uuid(), 3, %s - n * interval '86.4 s'
               FROM generate_series(100000, 1, -1) n""",
            (NOW,),
        )
        conn.execute("SELECT brin_summarize_new_values('audit_events_at')")
        conn.execute("ANALYZE audit_events")
        plan = plan_of(conn)

    assert "Seq Scan" not in plan


def plan_of(conn: "psycopg.Connection[tuple[object, ...]]") -> str:
    rows = conn.execute(
        """EXPLAIN SELECT date_trunc('hour', at, 'UTC'), kind, count(*) FROM audit_events
           WHERE at >= %s AND at < %s AND kind = ANY(%s) GROUP BY 1, 2""",
        (NOW - timedelta(days=2), NOW - timedelta(days=1), [3, 4]),
    ).fetchall()
    return "\n".join(str(row[0]) for row in rows)


def test_a_ceremony_that_asked_too_early_is_no_alert_and_one_that_an_officer_did_not_trust_is(
    keys_db: TestDatabase, keys: Database
) -> None:
    """The first happens with every waiting period; whoever is warned of it each time soon looks no more."""
    happened(keys_db, KeysEvent.CEREMONY_REFUSED, NOW - timedelta(hours=1), 3)
    assert watched_events(keys, None, NOW) == ()

    with keys_db.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, officer_id)
               VALUES (%s, %s, %s, %s, %s)""",
            (uuid4(), uuid4(), int(KeysEvent.CEREMONY_REFUSED), NOW - timedelta(minutes=5), uuid4()),
        )

    (found,) = watched_events(keys, None, NOW)
    assert (found.kind, found.counted.events) == (KeysEvent.CEREMONY_REFUSED, 1)
