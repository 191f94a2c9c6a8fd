"""What the records side's witness cosigned last, for those who export the logs."""

from datetime import datetime

from psycopg import Connection


def store_witnessed(conn: Connection, origin: str, size: int, note: str, at: datetime) -> None:
    """In the place of the log's older head; a copy only: the witness goes by a file of its own."""
    conn.execute(
        """INSERT INTO witnessed_heads (origin, tree_size, note, at)
           VALUES (%(origin)s, %(size)s, %(note)s, %(at)s)
           ON CONFLICT (origin) DO UPDATE
             SET tree_size = EXCLUDED.tree_size, note = EXCLUDED.note, at = EXCLUDED.at
             WHERE witnessed_heads.note <> EXCLUDED.note""",
        {"origin": origin, "size": size, "note": note, "at": at},
    )
