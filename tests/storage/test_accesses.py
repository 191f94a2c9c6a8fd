"""Who touched my data: each page finds its place at once, however long the trail has grown."""

from datetime import UTC, datetime
from uuid import UUID

from tests.rig.postgres import TestDatabase
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, UserId
from vault_service.storage.records.accesses import list_accesses

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER = UserId(UUID(int=1))
EVENTS = 5000


def test_a_page_far_back_reads_no_more_than_the_first(records_db: TestDatabase) -> None:
    """A walk through all newer events would hit the statement's time-out at about a million."""
    with records_db.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at)
               SELECT %s, lpad(to_hex(n), 32, '0')::uuid, %s, %s FROM generate_series(1, %s) n""",
            (USER, int(RecordsEvent.RECORD_READ), NOW, EVENTS),
        )
        conn.execute("VACUUM ANALYZE audit_events")
    db = records_db.open("vault_api", size=1)

    with db.transaction() as conn:
        newest = list_accesses(conn, USER, before=None, limit=3)
        oldest = list_accesses(conn, USER, before=EventId(UUID(int=4)), limit=10)
        row = conn.execute(
            """SELECT (coalesce(seq_tup_read, 0) + idx_tup_fetch)::int FROM pg_stat_xact_user_tables
               WHERE relname = 'audit_events'"""
        ).fetchone()

    assert [access.event.int for access in newest] == [EVENTS, EVENTS - 1, EVENTS - 2]
    assert [access.event.int for access in oldest] == [3, 2, 1]
    assert row is not None
    assert row[0] < 20
    db.close()
