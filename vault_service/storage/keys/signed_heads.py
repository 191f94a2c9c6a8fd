"""What the key service signed last, a row for each generation of a log; it keeps the same in a file.

Nothing here is believed before its signature is verified: a superuser can write any row.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from vault_service.domain.logs import LogName


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One generation's last head."""

    generation: int
    size: int
    note: str


def load_heads(conn: Connection, log: LogName) -> tuple[HeadRow, ...]:
    """By generation."""
    rows = conn.execute(
        """SELECT generation, tree_size, note FROM signed_heads
            WHERE log = %(log)s AND note <> '' ORDER BY generation""",
        {"log": log},
    ).fetchall()
    return tuple(HeadRow(*row) for row in rows)


def lock_heads(conn: Connection, log: LogName, now: datetime) -> tuple[HeadRow, ...]:
    """The same, and until the transaction ends no other key service signs a head of this log.

    A row must be there to be locked: before the first head an empty one is made, which the transaction
    fills or takes back.
    """
    conn.execute(
        """INSERT INTO signed_heads (log, generation, tree_size, note, signed_at)
           VALUES (%(log)s, 1, 0, '', %(now)s) ON CONFLICT DO NOTHING""",
        {"log": log, "now": now},
    )
    conn.execute("SELECT FROM signed_heads WHERE log = %(log)s AND generation = 1 FOR UPDATE", {"log": log})
    return load_heads(conn, log)


def store_head(conn: Connection, log: LogName, row: HeadRow, now: datetime) -> None:
    """Put a head in its generation's place."""
    conn.execute(
        """INSERT INTO signed_heads (log, generation, tree_size, note, signed_at)
           VALUES (%(log)s, %(generation)s, %(size)s, %(note)s, %(now)s)
           ON CONFLICT (log, generation) DO UPDATE
             SET tree_size = EXCLUDED.tree_size, note = EXCLUDED.note, signed_at = EXCLUDED.signed_at""",
        {"log": log, "generation": row.generation, "size": row.size, "note": row.note, "now": now},
    )
