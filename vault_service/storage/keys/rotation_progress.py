"""When a rotation last told how far it is."""

from datetime import datetime, timedelta
from uuid import UUID

from psycopg import Connection


def progress_is_due(conn: Connection, rotation: UUID, now: datetime, *, every_s: float) -> bool:
    """Whether an event about its progress is due; then it is the caller's to write, in this transaction."""
    done = conn.execute(
        """UPDATE rotations SET progress_at = %(now)s
           WHERE rotation_id = %(id)s AND coalesce(progress_at, started_at) <= %(before)s""",
        {"id": rotation, "now": now, "before": now - timedelta(seconds=every_s)},
    )
    return done.rowcount == 1
