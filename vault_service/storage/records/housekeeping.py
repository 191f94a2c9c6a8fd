"""What the worker of the records side removes when its time is over."""

from datetime import datetime, timedelta

from psycopg import Connection

_KEPT = timedelta(days=1)  # how long a retry with the same Idempotency-Key is recognised


def purge_expired(conn: Connection, now: datetime, limit: int) -> dict[str, int]:
    """Delete a batch of expired sessions, idempotency rows and sign-ups; returns how many of each."""
    values = {"now": now, "old": now - _KEPT, "limit": limit}
    sessions = conn.execute(
        """DELETE FROM sessions s USING (
             SELECT user_id, session_id FROM sessions WHERE expires_at < %(now)s
             ORDER BY expires_at LIMIT %(limit)s) x
           WHERE s.user_id = x.user_id AND s.session_id = x.session_id""",
        values,
    ).rowcount
    idempotency = conn.execute(
        """DELETE FROM idempotency i USING (
             SELECT user_id, key_hash FROM idempotency WHERE created_at < %(old)s
             ORDER BY created_at LIMIT %(limit)s) x
           WHERE i.user_id = x.user_id AND i.key_hash = x.key_hash""",
        values,
    ).rowcount
    sign_ups = conn.execute(
        """DELETE FROM sign_ups s USING (
             SELECT app_id, key_hash FROM sign_ups WHERE created_at < %(old)s
             ORDER BY created_at LIMIT %(limit)s) x
           WHERE s.app_id = x.app_id AND s.key_hash = x.key_hash""",
        values,
    ).rowcount
    return {"sessions": sessions, "idempotency": idempotency, "sign_ups": sign_ups}
