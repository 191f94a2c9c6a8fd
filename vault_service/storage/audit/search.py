"""Find events of one log by what is known of them, a page at a time, whatever millions stand beside them.

Newest first. Each statement is led by the one index that fits best, and bounded by it:

- a case or an officer (keys log): its own events;
- a user: of that user's events at most BUDGET are looked at for a page, by event id (the primary key);
- else: the newest few of each kind by themselves, of which the newest are kept. What there is of a rare kind
  is found at once, and no page reads more than limit entries of each kind.

A page begins where the one before says, never at a count of rows (an OFFSET walks through all of them).
A superuser may have given events any time: infinity too is a time to page by, so a place keeps it as text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import Connection

from vault_service.domain.errors import InvalidInputError
from vault_service.domain.leaves import Leaf
from vault_service.domain.logs import LogName
from vault_service.storage.audit.sides import EVENTS

BUDGET = 20_000  # of one user's events, looked at for one page: a quarter of a second
_LAST = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: this event, or the next older one. All three, since ids may be planted twice."""

    at: str = "infinity"  # timestamptz as PostgreSQL writes it in UTC
    event: UUID = _LAST
    user: UUID = _LAST
    log: LogName = "records"  # of what officers did to a user's data the same stands in both, this one first


@dataclass(frozen=True, slots=True)
class Filter:
    """What is looked for in one log; None and (): anything."""

    user: UUID | None = None
    case: UUID | None = None  # the keys log's only
    officer: UUID | None = None  # the keys log's only
    kinds: tuple[int, ...] = ()
    since: str = "-infinity"  # ISO 8601 with an offset; both are included
    until: str = "infinity"


@dataclass(frozen=True, slots=True)
class FoundEvent:
    """One event."""

    place: Place
    moment: Decimal  # seconds since 1970, or an infinity: PostgreSQL's own order of times, to compare by
    leaf: Leaf
    leaf_index: int | None  # None: not sealed yet


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first."""

    events: tuple[FoundEvent, ...]
    reached: Place | None = None  # the budget ended here: older ones were not looked at


def find_events(conn: Connection, log: LogName, wanted: Filter, start: Place, limit: int) -> Page:
    """Up to `limit` events from `start` on. Raises InvalidInputError for a place or time that is none."""
    if log == "records" and (wanted.case or wanted.officer):
        return Page(())
    values: dict[str, Any] = {
        "user": wanted.user,
        "case": wanted.case,
        "officer": wanted.officer,
        "kinds": list(wanted.kinds),
        "since": wanted.since,
        "until": wanted.until,
        "at": start.at,
        "event": start.event,
        "start_user": start.user,
        "limit": limit,
        "budget": BUDGET,
    }
    try:
        if wanted.case or wanted.officer:
            return Page(_rows(conn, log, _by_case_or_officer(log, wanted, start), _NEWEST, values))
        if wanted.user:
            return _of_user(conn, log, wanted, start, values, limit)
        if not wanted.kinds:
            values["kinds"] = present_kinds(conn)
        return Page(_rows(conn, log, _by_kind(log, start), _NEWEST, values))
    except psycopg.DataError:
        raise InvalidInputError("place", "not one that a page gave") from None


def find_event(conn: Connection, log: LogName, user: UUID, event: UUID) -> FoundEvent | None:
    """One event by its key."""
    led_by: LiteralString = "e.user_id = %(user)s AND e.event_id = %(event)s"
    found = _rows(conn, log, _events(log, led_by), "e.at", {"user": user, "event": event})
    return found[0] if found else None


def present_kinds(conn: Connection) -> list[int]:
    """Every number that stands as a kind, also one of no enumeration: from each to the next by the index."""
    rows = conn.execute(
        """WITH RECURSIVE present AS (
             (SELECT kind FROM audit_events ORDER BY kind LIMIT 1)
             UNION ALL
             SELECT n.kind FROM present p CROSS JOIN LATERAL (
               SELECT kind FROM audit_events WHERE kind > p.kind ORDER BY kind LIMIT 1) n)
           SELECT kind FROM present""",
        prepare=True,
    ).fetchall()
    return [kind for (kind,) in rows]


_WITHIN: LiteralString = "e.at <= %(until)s::timestamptz AND e.at >= %(since)s::timestamptz"
_NEWEST: LiteralString = "e.at DESC, e.event_id DESC, e.user_id DESC"
_LIMIT: LiteralString = " LIMIT %(limit)s"
_OF_KINDS: LiteralString = " AND e.kind = ANY(%(kinds)s::smallint[])"


def _events(log: LogName, where: LiteralString) -> LiteralString:
    return "SELECT " + EVENTS[log].names + " FROM audit_events e WHERE " + where


def _from(log: LogName, start: Place) -> LiteralString:
    """Not the place's event again, where the other log has shown this very one already."""
    place: LiteralString = " (%(at)s::timestamptz, %(event)s::uuid, %(start_user)s::uuid) AND " + _WITHIN
    return ("(e.at, e.event_id, e.user_id) " + ("<=" if log <= start.log else "<")) + place


def _by_kind(log: LogName, start: Place) -> LiteralString:
    newest = _events(log, "e.kind = k.kind AND " + _from(log, start) + " ORDER BY " + _NEWEST + _LIMIT)
    kinds: LiteralString = "unnest(%(kinds)s::smallint[]) AS k (kind)"
    return "SELECT e.* FROM " + kinds + " CROSS JOIN LATERAL (" + newest + ") e ORDER BY " + _NEWEST + _LIMIT


def _by_case_or_officer(log: LogName, wanted: Filter, start: Place) -> LiteralString:
    led_by: LiteralString = "e.case_id = %(case)s" if wanted.case else "e.officer_id = %(officer)s"
    also: LiteralString = " AND e.officer_id = %(officer)s" if wanted.case and wanted.officer else ""
    about: LiteralString = " AND e.user_id = %(user)s" if wanted.user else ""
    kinds: LiteralString = _OF_KINDS if wanted.kinds else ""
    where = led_by + also + about + kinds + " AND " + _from(log, start)
    return _events(log, where + " ORDER BY " + _NEWEST + _LIMIT)


def _of_user(
    conn: Connection, log: LogName, wanted: Filter, start: Place, values: dict[str, Any], limit: int
) -> Page:
    """By event id, which begins with the time (UUIDv7): the primary key's order."""
    kinds: LiteralString = _OF_KINDS if wanted.kinds else ""
    after: LiteralString = "<=" if log <= start.log else "<"
    led_by = "e.user_id = %(user)s AND e.event_id " + after + " %(event)s::uuid ORDER BY e.event_id DESC"
    select = "SELECT e.* FROM (" + _events(log, led_by + " LIMIT %(budget)s") + ") e WHERE " + _WITHIN + kinds
    found = _rows(conn, log, select + " ORDER BY e.event_id DESC" + _LIMIT, "e.event_id DESC", values)
    if len(found) == limit:
        return Page(found)
    beyond = conn.execute(
        "SELECT e.event_id FROM audit_events e WHERE " + led_by + " OFFSET %(budget)s LIMIT 1", values
    ).fetchone()
    return Page(found, None if beyond is None else Place(event=beyond[0]))


def _rows(
    conn: Connection, log: LogName, select: LiteralString, order: LiteralString, values: dict[str, Any]
) -> tuple[FoundEvent, ...]:
    """With each event's index in the log, looked up one by one (LATERAL … LIMIT)."""
    events = EVENTS[log]
    rows: Sequence[tuple[Any, ...]] = conn.execute(
        "SELECT e.at::text, extract(epoch FROM e.at), l.leaf_index, " + events.columns + " FROM ("
        + select + """) e
           LEFT JOIN LATERAL (SELECT leaf_index FROM audit_leaves
             WHERE user_id = e.user_id AND event_id = e.event_id LIMIT 1) l ON true
           ORDER BY """ + order,
        values,
    ).fetchall()  # fmt: skip
    found: list[FoundEvent] = []
    for at, moment, index, *columns in rows:
        leaf = events.leaf(*columns)
        found.append(FoundEvent(Place(at, leaf.event_id, leaf.user_id, log), moment, leaf, index))
    return tuple(found)
