"""Events put into a log by a superuser, as many as a busy vault leaves, and what a statement read of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from psycopg import Connection

from tests.rig.postgres import TestDatabase
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.storage.pool import Database

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
BUSY, OFFICER, CASE = UUID(int=7), UUID(int=8), UUID(int=9)
CROWD = 30_000


def plant_crowd(db: TestDatabase, count: int = CROWD) -> None:
    """A sign-in or a read a second, each of somebody else; all sealed."""
    kind = KeysEvent.UNLOCKED if db.side == "keys" else RecordsEvent.RECORD_READ
    with db.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at)
               SELECT gen_random_uuid(), gen_random_uuid(), %s, %s + n * interval '1 s'
               FROM generate_series(1, %s) n""",
            [int(kind), BEGIN, count],
        )
        conn.execute(
            """INSERT INTO audit_leaves
               SELECT row_number() OVER (ORDER BY at) - 1, user_id, event_id FROM audit_events"""
        )
        conn.execute("ANALYZE")


def plant(
    db: TestDatabase,
    at: str,
    kind: KeysEvent | RecordsEvent,
    *,
    event: UUID,
    user: UUID = BUSY,
    case: UUID | None = None,
    officer: UUID | None = None,
    digest: bytes | None = None,
) -> UUID:
    """One event of any time; its id."""
    with db.superuser() as conn:
        conn.execute(
            "INSERT INTO audit_events (user_id, event_id, kind, at) VALUES (%s, %s, %s, %s::timestamptz)",
            [user, event, int(kind), at],
        )
        if case or officer or digest:
            conn.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
            conn.execute(
                "UPDATE audit_events SET case_id = %s, officer_id = %s, digest = %s WHERE event_id = %s",
                [case, officer, digest, event],
            )
            conn.execute("ALTER TABLE audit_events ENABLE ALWAYS TRIGGER append_only")
    return event


@contextmanager
def counting(db: Database) -> Iterator[tuple[Connection, list[int]]]:
    """A connection, and afterwards how many rows of the log were read through it, by scan or by index."""
    seen: list[int] = []
    with db.transaction() as conn:
        before = _read(conn)
        yield conn, seen
        seen.append(_read(conn) - before)


def _read(conn: Connection) -> int:
    row = conn.execute(
        """SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint
           FROM pg_stat_xact_user_tables WHERE relname LIKE 'audit\\_%'"""
    ).fetchone()
    assert row is not None
    return int(row[0])
