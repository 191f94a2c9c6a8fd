"""Rotations of wraps as they stand; every move is a compare-and-set (the rules: domain/rotation.py)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import UserId
from vault_service.domain.rotation import RewrapKind, RotationState

WrapName = Literal["password", "regain", "regain-key", "code", "escrow", "login-name"]


@dataclass(frozen=True, slots=True)
class StoredRotation:
    """A rotation as it is stored."""

    rotation: UUID
    kind: RewrapKind
    to_gen: int
    state: RotationState
    rate: int  # users a second; 0: no limit
    workers: int
    users: int  # how many there were at the start
    looked_at: int
    rewrapped: int  # wraps
    started_at: datetime
    progress_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A wrap that did not open."""

    user: UserId
    wrap: WrapName


_COLUMNS: LiteralString = """rotation_id, kind, to_gen, state, rate, workers, users, looked_at, rewrapped,
  started_at, progress_at, ended_at"""


def insert_rotation(conn: Connection, row: StoredRotation) -> bool:
    """Begin one. False when one of this kind is under way."""
    done = conn.execute(
        """INSERT INTO rotations (rotation_id, kind, to_gen, rate, workers, users, started_at)
           VALUES (%(id)s, %(kind)s, %(gen)s, %(rate)s, %(workers)s, %(users)s, %(now)s)
           ON CONFLICT DO NOTHING""",
        {
            "id": row.rotation,
            "kind": row.kind,
            "gen": row.to_gen,
            "rate": row.rate,
            "workers": row.workers,
            "users": row.users,
            "now": row.started_at,
        },
    )
    return done.rowcount == 1


def find_rotation(conn: Connection, rotation: UUID) -> StoredRotation | None:
    """One."""
    row = conn.execute(
        "SELECT " + _COLUMNS + " FROM rotations WHERE rotation_id = %(id)s", {"id": rotation}
    ).fetchone()
    return StoredRotation(*row) if row else None


def rotations_under_way(conn: Connection) -> tuple[StoredRotation, ...]:
    """Running or paused: at most one of each kind."""
    rows = conn.execute("SELECT " + _COLUMNS + " FROM rotations WHERE state <> 'finished' ORDER BY kind")
    return tuple(StoredRotation(*row) for row in rows)


def newest_rotations(conn: Connection, *, per_kind: int = 10) -> tuple[StoredRotation, ...]:
    """Newest first; at most so many of each kind."""
    rows = conn.execute(
        "SELECT "
        + _COLUMNS
        + """ FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY started_at DESC) AS n
                    FROM rotations) r WHERE n <= %(n)s ORDER BY started_at DESC""",
        {"n": per_kind},
    )
    return tuple(StoredRotation(*row) for row in rows)


def move_rotation(
    conn: Connection, rotation: UUID, before: RotationState, after: RotationState, now: datetime
) -> bool:
    """Compare-and-set of the state."""
    done = conn.execute(
        """UPDATE rotations SET state = %(after)s,
             ended_at = CASE WHEN %(after)s = 'finished' THEN %(now)s::timestamptz END
           WHERE rotation_id = %(id)s AND state = %(before)s""",
        {"id": rotation, "before": before, "after": after, "now": now},
    )
    return done.rowcount == 1


def change_pace(conn: Connection, rotation: UUID, *, rate: int | None, workers: int | None) -> None:
    """Another rate or number of batches at once, from the next batch on; None leaves it as it is."""
    conn.execute(
        """UPDATE rotations SET rate = coalesce(%(rate)s, rate), workers = coalesce(%(workers)s, workers),
             next_at = NULL
           WHERE rotation_id = %(id)s""",
        {"id": rotation, "rate": rate, "workers": workers},
    )


def is_progress_due(conn: Connection, rotation: UUID, now: datetime, every_s: float) -> bool:
    """Whether an event about its progress is due: for one caller only, whose transaction writes it."""
    done = conn.execute(
        """UPDATE rotations SET progress_at = %(now)s
           WHERE rotation_id = %(id)s AND state = 'running'
             AND abs(extract(epoch FROM %(now)s - coalesce(progress_at, started_at))) >= %(every)s""",
        {"id": rotation, "now": now, "every": every_s},
    )
    return done.rowcount == 1


def add_progress(conn: Connection, rotation: UUID, *, looked_at: int, rewrapped: int) -> bool:
    """False when it does not run any more: then the caller takes back what the transaction rewrote.

    Last in the transaction, since all batches meet at this row.
    """
    done = conn.execute(
        """UPDATE rotations SET looked_at = looked_at + %(looked)s, rewrapped = rewrapped + %(rewrapped)s
           WHERE rotation_id = %(id)s AND state = 'running'""",
        {"id": rotation, "looked": looked_at, "rewrapped": rewrapped},
    )
    return done.rowcount == 1


def record_failures(
    conn: Connection, rotation: UUID, failures: Iterable[Failure], now: datetime
) -> tuple[Failure, ...]:
    """List wraps that did not open; returns those that were not listed yet: each is told once."""
    new: list[Failure] = []
    for failure in failures:
        done = conn.execute(
            """INSERT INTO rotation_failures (rotation_id, user_id, wrap, at)
               VALUES (%(id)s, %(user)s, %(wrap)s, %(now)s) ON CONFLICT DO NOTHING""",
            {"id": rotation, "user": failure.user, "wrap": failure.wrap, "now": now},
        )
        if done.rowcount:
            new.append(failure)
    return tuple(new)


def list_failures(conn: Connection, rotation: UUID, *, limit: int = 100) -> tuple[Failure, ...]:
    """Wraps that did not open, in the order of their users' ids."""
    rows = conn.execute(
        """SELECT user_id, wrap FROM rotation_failures WHERE rotation_id = %(id)s
           ORDER BY user_id, wrap LIMIT %(limit)s""",
        {"id": rotation, "limit": limit},
    )
    return tuple(Failure(UserId(user), wrap) for user, wrap in rows)


def count_users(conn: Connection) -> int:
    """How many users there are; of millions, what the database estimates."""
    row = conn.execute(
        """SELECT CASE WHEN reltuples > 2e6 THEN reltuples::bigint ELSE (SELECT count(*) FROM users) END
           FROM pg_class WHERE oid = 'users'::regclass"""
    ).fetchone()
    return int(row[0]) if row else 0


def count_failures(conn: Connection, rotation: UUID) -> int:
    """How many wraps did not open."""
    row = conn.execute(
        "SELECT count(*) FROM rotation_failures WHERE rotation_id = %(id)s", {"id": rotation}
    ).fetchone()
    return int(row[0]) if row else 0
