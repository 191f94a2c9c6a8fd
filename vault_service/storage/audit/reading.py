"""Read a sealed log as an auditor does: pages of leaves, tiles, checkpoints, heads that others remember.

Whoever owns the database may have written anything into it, with triggers and constraints off. What is
read here is passed on as it stands: nothing is checked, recomputed or repaired.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from vault_service.domain.logs import LogName
from vault_service.storage.audit import wakeups
from vault_service.storage.audit.sides import EVENTS


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A head that counts."""

    size: int  # leaves
    note: str
    covers: bool  # whether everything that was committed at the time asked for is within
    covers_until: str  # for people


def read_leaves(conn: Connection, log: LogName, first: int, end: int) -> list[tuple[int, bytes | None]]:
    """Index and bytes of up to 2000 leaves from `first` on and before `end`, ascending.

    None: the leaf's event is gone. An index that is missing has no row in audit_leaves.
    """
    # The limit is written out, and each event looked up by itself (LATERAL … LIMIT): a plan for a part of
    # the log that is not known reads all events for each page.
    events = EVENTS[log]
    rows = conn.execute(
        "SELECT l.leaf_index, e.event_id IS NOT NULL, " + events.columns + """
            FROM (SELECT leaf_index, user_id, event_id FROM audit_leaves
                  WHERE leaf_index >= %(first)s AND leaf_index < %(end)s
                  ORDER BY leaf_index LIMIT 2000) l
                 LEFT JOIN LATERAL (SELECT * FROM audit_events
                   WHERE user_id = l.user_id AND event_id = l.event_id LIMIT 1) e ON true
            ORDER BY l.leaf_index""",
        {"first": first, "end": end},
        prepare=True,
    ).fetchall()  # fmt: skip
    return [(row[0], events.leaf(*row[2:]).encode() if row[1] else None) for row in rows]


def leaf_count(conn: Connection) -> int:
    """One more than the largest index."""
    row = conn.execute("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves").fetchone()
    return int(row[0]) if row else 0


def read_tile_row(conn: Connection, level: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """Index and hashes of up to 100 tiles of one level, from `first` to `last`, ascending."""
    rows = conn.execute(
        """SELECT tile_index, hashes FROM audit_tiles
           WHERE level = %(level)s AND tile_index BETWEEN %(first)s AND %(last)s
           ORDER BY tile_index LIMIT 100""",
        {"level": level, "first": first, "last": last},
        prepare=True,
    ).fetchall()
    return [(index, bytes(hashes or b"")) for index, hashes in rows]


def newest_checkpoint(conn: Connection, since: datetime) -> SavedCheckpoint | None:
    """The head of the most leaves; `since`: whether everything committed before is within."""
    row = conn.execute(
        """SELECT tree_size, note, coalesce(covers_until >= %(since)s, false), covers_until::text
           FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1""",
        {"since": since},
        prepare=True,
    ).fetchone()
    return SavedCheckpoint(row[0], row[1] or "", row[2], row[3] or "") if row else None


def read_checkpoints(conn: Connection, after: int, below: int) -> list[tuple[int, str]]:
    """Size and note of up to 500 saved checkpoints of more than `after` and fewer than `below` leaves."""
    rows = conn.execute(
        """SELECT tree_size, note FROM audit_checkpoints
           WHERE tree_size > %(after)s AND tree_size < %(below)s ORDER BY tree_size LIMIT 500""",
        {"after": after, "below": below},
        prepare=True,
    ).fetchall()
    return [(size, note or "") for size, note in rows]


def read_signed_heads(conn: Connection) -> list[tuple[str, str]]:
    """Keys side: log and note of what the key service signed last, for each generation."""
    rows = conn.execute("SELECT log, note FROM signed_heads ORDER BY log, generation").fetchall()
    return [(log or "", note or "") for log, note in rows]


def read_witnessed_heads(conn: Connection) -> list[tuple[str, str]]:
    """Records side: origin and note of what its witness cosigned last."""
    rows = conn.execute("SELECT origin, note FROM witnessed_heads ORDER BY origin").fetchall()
    return [(origin or "", note or "") for origin, note in rows]


def seal_from_now(conn: Connection) -> datetime:
    """Ask the worker to seal at once; returns the database's clock. Events committed by then are meant.

    The clock first: a worker that is quick would else seal before the time that is asked for.
    """
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    now: datetime = row[0]
    wakeups.ask_to_seal(conn)
    return now
