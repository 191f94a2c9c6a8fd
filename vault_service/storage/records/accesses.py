"""What the subject may see of the records trail: every event about their own data."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId, SessionId, UserId


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
           WHERE e.user_id = %(user)s AND (%(before)s::uuid IS NULL OR e.event_id < %(before)s::uuid)
           ORDER BY e.event_id DESC LIMIT %(limit)s""",
        {"user": user, "before": before, "limit": limit},
        prepare=True,
    ).fetchall()
    return tuple(AccessRow(row[0], row[1], RecordsEvent(row[2]), *row[3:]) for row in rows)
