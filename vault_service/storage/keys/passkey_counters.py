"""The highest counter that each passkey has signed with."""

from datetime import datetime
from uuid import UUID

from psycopg import Connection


def raise_counter(conn: Connection, authenticator: UUID, sign_count: int, now: datetime) -> bool:
    """Compare and set in one statement; False when it is not above the last one, and not both are 0."""
    done = conn.execute(
        """INSERT INTO passkey_counters AS kept (authenticator_id, sign_count, at)
           VALUES (%(authenticator)s, %(count)s, %(now)s)
           ON CONFLICT (authenticator_id) DO UPDATE SET sign_count = excluded.sign_count, at = excluded.at
           WHERE excluded.sign_count > kept.sign_count
              OR (excluded.sign_count = 0 AND kept.sign_count = 0)""",
        {"authenticator": authenticator, "count": sign_count, "now": now},
    )
    return done.rowcount == 1
