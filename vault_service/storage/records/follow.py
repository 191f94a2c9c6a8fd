"""How far the records side has followed the keys log, and what it copies from there."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, UserId


@dataclass(frozen=True, slots=True)
class Followed:
    """The next leaf to look at; `generation`: of which log, since a restore begins another."""

    generation: int
    next_index: int


@dataclass(frozen=True, slots=True)
class Copied:
    """An event of the keys log as the records trail tells it."""

    user: UserId
    event: EventId  # the same as in the keys log
    kind: RecordsEvent
    at: datetime
    digest: bytes | None


def read_followed(conn: Connection) -> Followed:
    """Where to go on."""
    row = conn.execute("SELECT generation, next_index FROM followed").fetchone()
    return Followed(*row) if row else Followed(1, 0)


def move_followed(conn: Connection, before: Followed, after: Followed) -> bool:
    """Compare-and-set; False when another worker has moved it meanwhile."""
    done = conn.execute(
        """UPDATE followed SET generation = %(generation)s, next_index = %(next)s
           WHERE generation = %(was_generation)s AND next_index = %(was)s""",
        {
            "generation": after.generation,
            "next": after.next_index,
            "was_generation": before.generation,
            "was": before.next_index,
        },
    )
    return done.rowcount == 1


def copy_event(conn: Connection, copied: Copied) -> bool:
    """Append it to the trail; False when it is there already."""
    done = conn.execute(
        """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
           VALUES (%(user)s, %(event)s, %(kind)s, %(at)s, %(digest)s) ON CONFLICT DO NOTHING""",
        {
            "user": copied.user,
            "event": copied.event,
            "kind": int(copied.kind),
            "at": copied.at,
            "digest": copied.digest,
        },
    )
    return done.rowcount == 1


def hold_back(conn: Connection, copied: Copied, show_at: datetime) -> None:
    """Keep it until its time has come; nothing where it is kept or shown already."""
    conn.execute(
        """INSERT INTO officer_actions (user_id, event_id, kind, at, digest, show_at)
           SELECT %(user)s, %(event)s, %(kind)s, %(at)s, %(digest)s, %(show_at)s
           WHERE NOT EXISTS (SELECT FROM audit_events
                             WHERE user_id = %(user)s AND event_id = %(event)s)
           ON CONFLICT DO NOTHING""",
        {
            "user": copied.user,
            "event": copied.event,
            "kind": int(copied.kind),
            "at": copied.at,
            "digest": copied.digest,
            "show_at": show_at,
        },
    )


def show_due(conn: Connection, now: datetime, limit: int) -> int:
    """Move up to so many, whose time has come, into the trail: one statement. Returns how many."""
    row = conn.execute(
        """WITH due AS (
             SELECT user_id, event_id FROM officer_actions WHERE show_at <= %(now)s
             ORDER BY show_at LIMIT %(limit)s),
           gone AS (
             DELETE FROM officer_actions a USING due
             WHERE a.user_id = due.user_id AND a.event_id = due.event_id
             RETURNING a.user_id, a.event_id, a.kind, a.at, a.digest),
           shown AS (
             INSERT INTO audit_events (user_id, event_id, kind, at, digest)
             SELECT user_id, event_id, kind, at, digest FROM gone ON CONFLICT DO NOTHING)
           SELECT count(*) FROM gone""",
        {"now": now, "limit": limit},
    ).fetchone()
    return int(row[0]) if row else 0
