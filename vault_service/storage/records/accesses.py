"""What the subject may see of the records trail: every event about their own data."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId, SessionId, UserId

# An "OR %(before)s IS NULL" would make each page walk through all newer ones: only a plain comparison
# finds its place in the index.
_AFTER_ALL = EventId(UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One event."""

    event: EventId
    at: datetime
    kind: RecordsEvent
    app_name: str | None
    session: SessionId | None
    record: RecordId | None
    n: int


def list_accesses(
    conn: Connection, user: UserId, *, before: EventId | None, limit: int
) -> tuple[AccessRow, ...]:
    """Newest first; `before` is the last event of the page before."""
    rows = conn.execute(
        """SELECT e.event_id, e.at, e.kind, a.name, e.session_id, e.record_id, e.n
           FROM audit_events e LEFT JOIN apps a USING (app_id)
           WHERE e.user_id = %(user)s AND e.event_id < %(before)s
           ORDER BY e.event_id DESC LIMIT %(limit)s""",
        {"user": user, "before": before or _AFTER_ALL, "limit": limit},
        prepare=True,
    ).fetchall()
    return tuple(AccessRow(row[0], row[1], RecordsEvent(row[2]), *row[3:]) for row in rows)
