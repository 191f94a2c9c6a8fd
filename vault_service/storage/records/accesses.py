"""What the subject may see of the records trail: every event about their own data."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import TupleRow

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId, SessionId, UserId
from vault_service.domain.leaves import RecordsLeaf, kind_name, time_of
from vault_service.storage.audit.sides import EVENTS

# An "OR %(before)s IS NULL" would make each page walk through all newer ones: only a plain comparison
# finds its place in the index.
_AFTER_ALL = EventId(UUID(int=2**128 - 1))
BEFORE_ALL = EventId(UUID(int=0))
# The leaf is looked up row by row (LATERAL … LIMIT): a plan for many would read all leaves for a page.
_EVENTS: LiteralString = (
    "SELECT a.name, l.leaf_index, "
    + EVENTS["records"].columns
    + """ FROM audit_events e LEFT JOIN apps a USING (app_id)
         LEFT JOIN LATERAL (SELECT leaf_index FROM audit_leaves
           WHERE user_id = e.user_id AND event_id = e.event_id LIMIT 1) l ON true
         WHERE e.user_id = %(user)s"""
)


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One event."""

    event: EventId
    at: datetime
    what: str  # the kind's name in lower case
    app_name: str | None
    session: SessionId | None
    record: RecordId | None
    n: int
    leaf: bytes  # as it stands, or will stand, in the sealed log
    leaf_index: int | None  # where; None while it is not sealed


def list_accesses(
    conn: Connection, user: UserId, *, before: EventId | None, limit: int
) -> tuple[AccessRow, ...]:
    """Newest first; `before` is the last event of the page before."""
    rows = conn.execute(
        _EVENTS + " AND e.event_id < %(before)s ORDER BY e.event_id DESC LIMIT %(limit)s",
        {"user": user, "before": before or _AFTER_ALL, "limit": limit},
        prepare=True,
    ).fetchall()
    return tuple(map(_access, rows))


def list_accesses_from(
    conn: Connection, user: UserId, *, after: EventId, limit: int
) -> tuple[AccessRow, ...]:
    """The same, oldest first; `after` is the last event of the page before."""
    rows = conn.execute(
        _EVENTS + " AND e.event_id > %(after)s ORDER BY e.event_id LIMIT %(limit)s",
        {"user": user, "after": after, "limit": limit},
        prepare=True,
    ).fetchall()
    return tuple(map(_access, rows))


def _access(row: TupleRow) -> AccessRow:
    app_name, index, *columns = row
    leaf = EVENTS["records"].leaf(*columns)
    assert isinstance(leaf, RecordsLeaf), "it is of the records side"
    return AccessRow(
        event=EventId(leaf.event_id),
        at=time_of(leaf),
        what=kind_name(RecordsEvent, leaf.kind),
        app_name=app_name,
        session=SessionId(leaf.session_id) if leaf.session_id else None,
        record=RecordId(leaf.record_id) if leaf.record_id else None,
        n=leaf.n,
        leaf=leaf.encode(),
        leaf_index=index,
    )
