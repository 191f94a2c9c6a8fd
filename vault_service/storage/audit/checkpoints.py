"""Heads that count, and how much is in none of them yet."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection


@dataclass(frozen=True, slots=True)
class Saved:
    """A signed and cosigned head."""

    size: int
    note: str
    covers_until: datetime  # whatever was committed before is a leaf of it


def newest_checkpoint(conn: Connection) -> Saved | None:
    """The largest."""
    row = conn.execute(
        "SELECT tree_size, note, covers_until FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Saved(*row)


def save_checkpoint(conn: Connection, saved: Saved) -> None:
    """Add it; one of the same size gets the newer signatures. Another head of that size is refused."""
    conn.execute(
        """INSERT INTO audit_checkpoints (tree_size, note, covers_until)
           VALUES (%(size)s, %(note)s, %(until)s)
           ON CONFLICT (tree_size) DO UPDATE SET note = EXCLUDED.note, covers_until = EXCLUDED.covers_until
             WHERE EXCLUDED.covers_until >= audit_checkpoints.covers_until""",
        {"size": saved.size, "note": saved.note, "until": saved.covers_until},
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """What no head that counts covers."""

    sealed: int  # leaves of the newest such head
    unsealed: int  # events, committed; counted up to a limit
    age_s: float | None  # no event among them is older; None: there is no head at all


def backlog(conn: Connection, limit: int = 1_000_000) -> Backlog:
    """One statement, cheap while little waits.

    Ages go by the database's clock alone: events' own times are other hosts'.
    """
    row = conn.execute(
        """SELECT coalesce(c.tree_size, 0), t.size - coalesce(c.tree_size, 0) + w.n,
                  extract(epoch FROM clock_timestamp() - c.covers_until)::float8
           FROM audit_tree t
           LEFT JOIN LATERAL (SELECT tree_size, covers_until FROM audit_checkpoints
                              ORDER BY tree_size DESC LIMIT 1) c ON true
           CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT FROM audit_events e
             WHERE e.tx >= t.last_tx
               AND (e.tx, e.user_id, e.event_id) > (t.last_tx, t.last_user_id, t.last_event_id)
               AND e.tx < pg_snapshot_xmax(pg_current_snapshot()) LIMIT %(limit)s) waiting) w""",
        {"limit": limit},
        prepare=True,
    ).fetchone()
    assert row is not None, "the tree has one row"
    sealed, unsealed, age = row
    return Backlog(sealed, max(0, unsealed), 0.0 if unsealed <= 0 else None if age is None else max(0.0, age))
