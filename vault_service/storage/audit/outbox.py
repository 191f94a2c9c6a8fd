"""How far each receiver has got in its log, and which events it would not have; the same on both sides.

A receiver's state is worked on only by whoever holds its lock, on the very connection that holds it: a
connection that breaks gives the lock back and can move nothing any more.
"""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.leaves import Leaf
from vault_service.domain.logs import LogName
from vault_service.storage.audit.sides import EVENTS
from vault_service.storage.pool import Database

GONE = "the event is not in the database any more"
"""Why an event was set aside that no receiver ever got; see vaultctl audit verify."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the log; `leaf` is None where somebody removed the event."""

    index: int
    leaf: Leaf | None


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """How one receiver is doing."""

    receiver: str
    next_index: int  # all before were taken or set aside
    behind: int  # events
    failures: int  # in a row
    wait_s: float  # until the next try; 0 or less: now
    last_error: str | None
    dead_letters: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was set aside."""

    receiver: str
    index: int
    error: str
    at: datetime


_STATES: LiteralString = """
    SELECT o.receiver, o.next_index,
           greatest((SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves) - o.next_index, 0),
           o.failures,
           coalesce(extract(epoch FROM o.not_before - clock_timestamp()), 0)::float8,
           o.last_error,
           (SELECT count(*) FROM audit_dead_letters d WHERE d.receiver = o.receiver),
           o.updated_at
    FROM audit_outbox o
"""


def list_receivers(conn: Connection) -> tuple[ReceiverState, ...]:
    """Every receiver that ever was, by name."""
    return tuple(ReceiverState(*row) for row in conn.execute(_STATES + " ORDER BY o.receiver").fetchall())


def list_dead_letters(conn: Connection, limit: int) -> Sequence[DeadLetter]:
    """The newest first."""
    rows = conn.execute(
        """SELECT receiver, leaf_index, error, at FROM audit_dead_letters
           ORDER BY at DESC, receiver, leaf_index DESC LIMIT %(limit)s""",
        {"limit": limit},
    ).fetchall()
    return tuple(DeadLetter(*row) for row in rows)


def first_refused(conn: Connection, receiver: str) -> int | None:
    """The index of the oldest event that the receiver refused; None if there is none that it could get."""
    row = conn.execute(
        """SELECT min(leaf_index) FROM audit_dead_letters
           WHERE receiver = %(receiver)s AND error <> %(gone)s""",
        {"receiver": receiver, "gone": GONE},
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def move_back(conn: Connection, receiver: str, first: int) -> int:
    """Let the receiver's place be `first`, if it is behind that; how many dead letters were dropped.

    Without the receiver's lock: who is delivering at that moment moves the place only from where it
    found it, and finds the new one next.
    """
    moved = conn.execute(
        """UPDATE audit_outbox SET next_index = %(first)s, failures = 0, not_before = NULL,
             last_error = NULL, updated_at = clock_timestamp()
           WHERE receiver = %(receiver)s AND next_index > %(first)s""",
        {"receiver": receiver, "first": first},
    )
    if moved.rowcount == 0:  # somebody else moved it further back meanwhile
        return 0
    dropped = conn.execute(
        "DELETE FROM audit_dead_letters WHERE receiver = %(receiver)s AND leaf_index >= %(first)s",
        {"receiver": receiver, "first": first},
    )
    return dropped.rowcount


class Outbox:
    """One receiver's place in its log, on the connection that holds the receiver's lock."""

    def __init__(self, conn: Connection, receiver: str) -> None:
        self._conn = conn
        self.receiver = receiver

    def state(self) -> ReceiverState:
        """One that was added."""
        row = self._conn.execute(
            _STATES + " WHERE o.receiver = %(receiver)s", {"receiver": self.receiver}, prepare=True
        ).fetchone()
        if row is None:
            raise LookupError(self.receiver)
        return ReceiverState(*row)

    def entries(self, log: LogName, first: int, limit: int) -> tuple[Entry, ...]:
        """The log from `first` on, without gaps: what is missing between two leaves has no event."""
        events = EVENTS[log]
        rows = self._conn.execute(
            # Each event by itself (LATERAL … LIMIT): a plan for a part of the log that is not known starts
            # further processes for each page.
            "SELECT l.leaf_index, e.event_id IS NOT NULL, "
            + events.columns
            + """
               FROM (SELECT leaf_index, user_id, event_id FROM audit_leaves
                     WHERE leaf_index >= %(first)s ORDER BY leaf_index LIMIT %(limit)s) l
                    LEFT JOIN LATERAL (SELECT * FROM audit_events
                      WHERE user_id = l.user_id AND event_id = l.event_id LIMIT 1) e ON true
               ORDER BY l.leaf_index""",
            {"first": first, "limit": limit},
            prepare=True,
        ).fetchall()
        found = {row[0]: events.leaf(*row[2:]) if row[1] else None for row in rows}
        end = min(max(found, default=first - 1) + 1, first + limit)
        return tuple(Entry(index, found.get(index)) for index in range(first, end))

    def advance(self, first: int, count: int) -> None:
        """The receiver has taken `count` events from `first` on."""
        self._conn.execute(
            """UPDATE audit_outbox SET next_index = %(first)s::bigint + %(count)s, failures = 0,
                 not_before = NULL, last_error = NULL, updated_at = clock_timestamp()
               WHERE receiver = %(receiver)s AND next_index = %(first)s""",
            {"receiver": self.receiver, "first": first, "count": count},
            prepare=True,
        )

    def postpone(self, wait_s: float, error: str) -> None:
        """It did not work; not before `wait_s` seconds are over again."""
        self._conn.execute(
            """UPDATE audit_outbox SET failures = failures + 1, last_error = %(error)s,
                 not_before = clock_timestamp() + make_interval(secs => %(wait)s),
                 updated_at = clock_timestamp()
               WHERE receiver = %(receiver)s""",
            {"receiver": self.receiver, "wait": wait_s, "error": error},
        )

    def set_aside(self, index: int, error: str) -> None:
        """Make one event a dead letter and go past it, in one statement: never only one of the two."""
        self._conn.execute(
            """WITH passed AS (
                 UPDATE audit_outbox SET next_index = %(index)s::bigint + 1, failures = 0,
                   not_before = NULL, last_error = %(error)s, updated_at = clock_timestamp()
                 WHERE receiver = %(receiver)s AND next_index = %(index)s
                 RETURNING receiver)
               INSERT INTO audit_dead_letters (receiver, leaf_index, error, at)
               SELECT receiver, %(index)s, %(error)s, clock_timestamp() FROM passed
               ON CONFLICT DO NOTHING""",
            {"receiver": self.receiver, "index": index, "error": error},
        )

    def refused_just_before(self, index: int, limit: int) -> int:
        """How many of the `limit` events before this one the receiver refused."""
        row = self._conn.execute(
            """SELECT count(*) FROM audit_dead_letters
               WHERE receiver = %(receiver)s AND leaf_index >= %(index)s::bigint - %(limit)s
                 AND leaf_index < %(index)s AND error <> %(gone)s""",
            {"receiver": self.receiver, "index": index, "limit": limit, "gone": GONE},
        ).fetchone()
        return 0 if row is None else int(row[0])


@contextlib.contextmanager
def held_outbox(db: Database, receiver: str) -> Generator[Outbox | None]:
    """The receiver's place, for as long as nobody else delivers to it; None while somebody does.

    A new receiver begins with the log's first event. Raises DatabaseUnavailableError.
    """
    with db.connection() as conn:
        if not _lock(conn, receiver):
            yield None
            return
        try:
            conn.execute(
                """INSERT INTO audit_outbox (receiver, updated_at)
                   VALUES (%(receiver)s, clock_timestamp()) ON CONFLICT DO NOTHING""",
                {"receiver": receiver},
            )
            yield Outbox(conn, receiver)
        finally:
            # The connection goes back to the pool: whoever gets it next must not hold the lock with it.
            if not conn.closed:
                _unlock(conn, receiver)


def _lock(conn: Connection, receiver: str) -> bool:
    row = conn.execute(
        "SELECT pg_try_advisory_lock(hashtextextended('audit_outbox/' || %(receiver)s::text, 0))",
        {"receiver": receiver},
    ).fetchone()
    return row is not None and bool(row[0])


def _unlock(conn: Connection, receiver: str) -> None:
    conn.execute(
        "SELECT pg_advisory_unlock(hashtextextended('audit_outbox/' || %(receiver)s::text, 0))",
        {"receiver": receiver},
    )
