"""How much happened when, in one trail. Time has a block range index: a statement reads its own part."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection

from vault_service.domain.events import KeysEvent, RecordsEvent

_MOST_ROWS = 20_000  # hours x kinds x apps of one day


@dataclass(frozen=True, slots=True)
class Bucket:
    """Events of one kind in one hour."""

    hour: datetime
    kind: int
    app: UUID | None
    events: int
    n: int  # records side: how many records they were about


def keys_activity(
    conn: Connection, since: datetime, until: datetime, kinds: Collection[KeysEvent]
) -> tuple[Bucket, ...]:
    """By hour and kind; the time is the event's own."""
    rows = conn.execute(
        """SELECT date_trunc('hour', at, 'UTC'), kind, NULL::uuid, count(*), 0 FROM audit_events
           WHERE at >= %(since)s AND at < %(until)s AND kind = ANY(%(kinds)s)
           GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %(limit)s""",
        {"since": since, "until": until, "kinds": [int(each) for each in kinds], "limit": _MOST_ROWS},
    )
    return tuple(Bucket(*row) for row in rows)


def records_activity(
    conn: Connection, since: datetime, until: datetime, kinds: Collection[RecordsEvent]
) -> tuple[Bucket, ...]:
    """By hour, kind and app."""
    rows = conn.execute(
        """SELECT date_trunc('hour', at, 'UTC'), kind, app_id, count(*), sum(n)::bigint FROM audit_events
           WHERE at >= %(since)s AND at < %(until)s AND kind = ANY(%(kinds)s)
           GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %(limit)s""",
        {"since": since, "until": until, "kinds": [int(each) for each in kinds], "limit": _MOST_ROWS},
    )
    return tuple(Bucket(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class Counted:
    """Events of one kind since a time."""

    kind: int
    events: int
    last: datetime


def count_kinds(
    conn: Connection, since: datetime, kinds: Sequence[KeysEvent] | Sequence[RecordsEvent]
) -> tuple[Counted, ...]:
    """Those that happened at all, the latest first."""
    rows = conn.execute(
        """SELECT kind, count(*), max(at) FROM audit_events
           WHERE at >= %(since)s AND kind = ANY(%(kinds)s) GROUP BY 1 ORDER BY 3 DESC""",
        {"since": since, "kinds": [int(each) for each in kinds]},
    )
    return tuple(Counted(*row) for row in rows)


def count_of_officers(conn: Connection, since: datetime, kind: KeysEvent) -> tuple[Counted, ...]:
    """Keys side: likewise, but only those in which an officer is named; none, or one."""
    rows = conn.execute(
        """SELECT kind, count(*), max(at) FROM audit_events
           WHERE at >= %(since)s AND kind = %(kind)s AND officer_id IS NOT NULL GROUP BY 1""",
        {"since": since, "kind": int(kind)},
    )
    return tuple(Counted(*row) for row in rows)


def last_of_officers(
    conn: Connection, officers: Sequence[UUID], kinds: Sequence[KeysEvent]
) -> dict[UUID, datetime]:
    """Keys side: when each did one of these last; of the newest thousand events of each."""
    rows = conn.execute(
        """SELECT o.id, l.at FROM unnest(%(officers)s::uuid[]) AS o (id)
           CROSS JOIN LATERAL (SELECT max(at) AS at FROM (
             SELECT at, kind FROM audit_events WHERE officer_id = o.id ORDER BY at DESC LIMIT 1000) e
             WHERE kind = ANY(%(kinds)s)) l WHERE l.at IS NOT NULL""",
        {"officers": list(officers), "kinds": [int(each) for each in kinds]},
    )
    return dict(rows.fetchall())


def events_of_cases(conn: Connection, cases: Sequence[UUID], kinds: Sequence[KeysEvent]) -> dict[UUID, int]:
    """Keys side: of each case, the newest event among these kinds."""
    rows = conn.execute(
        """SELECT DISTINCT ON (case_id) case_id, kind FROM audit_events
           WHERE case_id = ANY(%(cases)s::uuid[]) AND kind = ANY(%(kinds)s)
           ORDER BY case_id, event_id DESC""",
        {"cases": list(cases), "kinds": [int(each) for each in kinds]},
    )
    return dict(rows.fetchall())
