"""Sign-ups that have begun: so that a retry with the same key finds the same user id."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.ids import AppId, UserId


def begin_sign_up(
    conn: Connection, app: AppId, key_hash: bytes, user: UserId, now: datetime
) -> tuple[UserId, bool]:
    """The user id of this sign-up, and whether it is a new one."""
    row = conn.execute(
        """WITH i AS (
             INSERT INTO sign_ups (app_id, key_hash, user_id, created_at)
             VALUES (%(app)s, %(key)s, %(user)s, %(now)s) ON CONFLICT DO NOTHING RETURNING user_id)
           SELECT user_id, true FROM i
           UNION ALL SELECT user_id, false FROM sign_ups WHERE app_id = %(app)s AND key_hash = %(key)s
           LIMIT 1""",
        {"app": app, "key": key_hash, "user": user, "now": now},
        prepare=True,
    ).fetchone()
    if row is None:  # a twin inserted between this statement's snapshot and its insert
        return begin_sign_up(conn, app, key_hash, user, now)
    return row[0], row[1]


def forget_sign_up(conn: Connection, app: AppId, key_hash: bytes) -> None:
    """The sign-up was refused: its key may be used again. One that led to a user stays."""
    conn.execute(
        """DELETE FROM sign_ups s WHERE s.app_id = %(app)s AND s.key_hash = %(key)s
             AND NOT EXISTS (SELECT FROM users u WHERE u.user_id = s.user_id)""",
        {"app": app, "key": key_hash},
    )
