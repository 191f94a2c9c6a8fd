"""The records trail: events are written in the transaction of what they record.

The statements of the hot path (records.py, pages.py, changes.py) write theirs by themselves;
everybody else calls insert_event.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import NOBODY, AppId, EventId, RecordId, SessionId, UnlockId, UserId, new_uuid
from vault_service.storage.pool import Database


def insert_event(
    conn: Connection,
    *,
    user: UserId,
    kind: RecordsEvent,
    at: datetime,
    app: AppId | None = None,
    session: SessionId | None = None,
    unlock: UnlockId | None = None,
    record: RecordId | None = None,
    n: int = 1,
) -> EventId:
    """Append one event: ids and numbers only, never personal data, addresses or free text."""
    event = EventId(new_uuid())
    conn.execute(
        """INSERT INTO audit_events
             (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id, n)
           VALUES (%(user)s, %(event)s, %(kind)s, %(at)s, %(app)s, %(session)s, %(unlock)s,
                   %(record)s, %(n)s)""",
        {
            "user": user,
            "event": event,
            "kind": int(kind),
            "at": at,
            "app": app,
            "session": session,
            "unlock": unlock,
            "record": record,
            "n": n,
        },
        prepare=True,
    )
    return event


def insert_record_events(
    conn: Connection,
    *,
    user: UserId,
    at: datetime,
    app: AppId,
    session: SessionId,
    unlock: UnlockId,
    kind: RecordsEvent,
    records: Sequence[RecordId],
) -> None:
    """Append the same event for each of several records, in one statement."""
    conn.execute(
        """INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id)
           SELECT %(user)s, o.event_id, %(kind)s, %(at)s, %(app)s, %(session)s, %(unlock)s, o.record_id
           FROM unnest(%(events)s::uuid[], %(records)s::uuid[]) AS o (event_id, record_id)""",
        {
            "user": user,
            "kind": int(kind),
            "at": at,
            "app": app,
            "session": session,
            "unlock": unlock,
            "events": [new_uuid() for _ in records],
            "records": list(records),
        },
        prepare=True,
    )


class _Undo(Exception):  # noqa: N818  # not an error: how a transaction is taken back
    pass


def check_writable(db: Database) -> None:
    """Write an event and take it back: shows that the trail can be written, and leaves no trace.

    Raises DatabaseUnavailableError.
    """
    try:
        with db.transaction() as conn:
            insert_event(conn, user=NOBODY, kind=RecordsEvent.ACCESSES_READ, at=datetime.now(UTC))
            raise _Undo
    except _Undo:
        return
