"""What the worker of the records side removes when its time is over."""

from datetime import datetime, timedelta

from psycopg import Connection

# The batch goes by way of arrays: of those the planner expects ten members and looks each row up by its key.
# Of a LIMIT that it is not told it expects a tenth of the table, and reads all of it for each batch.
_KEPT = timedelta(days=1)  # how long a retry with the same Idempotency-Key is recognised


def purge_expired(conn: Connection, now: datetime, limit: int) -> dict[str, int]:
    """Delete a batch of expired sessions, idempotency rows and sign-ups; returns how many of each."""
    values = {"now": now, "old": now - _KEPT, "limit": limit}
    sessions = conn.execute(
        """WITH old AS MATERIALIZED (
             SELECT array_agg(user_id) AS users, array_agg(session_id) AS ids
             FROM (SELECT user_id, session_id FROM sessions WHERE expires_at < %(now)s
                   ORDER BY expires_at LIMIT %(limit)s) o)
           DELETE FROM sessions s USING old, unnest(old.users, old.ids) AS x (user_id, session_id)
           WHERE s.user_id = x.user_id AND s.session_id = x.session_id""",
        values,
    ).rowcount
    idempotency = conn.execute(
        """WITH old AS MATERIALIZED (
             SELECT array_agg(user_id) AS users, array_agg(key_hash) AS keys
             FROM (SELECT user_id, key_hash FROM idempotency WHERE created_at < %(old)s
                   ORDER BY created_at LIMIT %(limit)s) o)
           DELETE FROM idempotency i USING old, unnest(old.users, old.keys) AS x (user_id, key_hash)
           WHERE i.user_id = x.user_id AND i.key_hash = x.key_hash""",
        values,
    ).rowcount
    sign_ups = conn.execute(
        """WITH old AS MATERIALIZED (
             SELECT array_agg(app_id) AS apps, array_agg(key_hash) AS keys
             FROM (SELECT app_id, key_hash FROM sign_ups WHERE created_at < %(old)s
                   ORDER BY created_at LIMIT %(limit)s) o)
           DELETE FROM sign_ups s USING old, unnest(old.apps, old.keys) AS x (app_id, key_hash)
           WHERE s.app_id = x.app_id AND s.key_hash = x.key_hash""",
        values,
    ).rowcount
    return {"sessions": sessions, "idempotency": idempotency, "sign_ups": sign_ups}
