"""Users of the records side: their tenant and the floor below which epochs are dead."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, TenantId, UserId


def ensure_user(
    conn: Connection, user: UserId, tenant: TenantId, epoch: int, now: datetime
) -> tuple[int, bool]:
    """Insert the user, or raise the floor to this epoch; returns the floor and whether the user is new."""
    row = conn.execute(
        """INSERT INTO users AS u (user_id, tenant_id, epoch, created_at)
           VALUES (%(user)s, %(tenant)s, %(epoch)s, %(now)s)
           ON CONFLICT (user_id) DO UPDATE SET epoch = greatest(u.epoch, excluded.epoch)
           RETURNING epoch, (xmax = 0)""",
        {"user": user, "tenant": tenant, "epoch": epoch, "now": now},
        prepare=True,
    ).fetchone()
    assert row is not None, "inserted or updated"
    return row[0], row[1]


def raise_floor(conn: Connection, user: UserId, epoch: int) -> bool:
    """Every session of a lower epoch is dead from this commit on; False when it was that high before."""
    return (
        conn.execute(
            "UPDATE users SET epoch = %(epoch)s WHERE user_id = %(user)s AND epoch < %(epoch)s",
            {"user": user, "epoch": epoch},
        ).rowcount
        == 1
    )


def find_floor(conn: Connection, user: UserId) -> int | None:
    """The lowest epoch that counts; None for a user who is not known here (yet)."""
    row = conn.execute("SELECT epoch FROM users WHERE user_id = %(user)s", {"user": user}).fetchone()
    return row[0] if row else None


def find_created_at(conn: Connection, user: UserId) -> datetime | None:
    """When the user came to be here."""
    row = conn.execute("SELECT created_at FROM users WHERE user_id = %(user)s", {"user": user}).fetchone()
    return row[0] if row else None


def was_erased(conn: Connection, user: UserId) -> bool:
    """Whether there was a user of this id; the trail outlives the user.

    From the newest event on: next to nothing follows an erasure, and a million events may be before it.
    """
    row = conn.execute(
        """SELECT 1 FROM audit_events WHERE user_id = %(user)s AND kind = ANY(%(erased)s)
           ORDER BY event_id DESC LIMIT 1""",
        {"user": user, "erased": [int(RecordsEvent.USER_ERASED), int(RecordsEvent.ERASED_BY_OFFICERS)]},
    ).fetchone()
    return row is not None


def delete_records(conn: Connection, user: UserId, limit: int) -> int:
    """Up to so many of a user's records with their tags; returns how many. May be repeated."""
    return conn.execute(
        """DELETE FROM records r USING (
             SELECT user_id, record_id FROM records WHERE user_id = %(user)s
             ORDER BY record_id LIMIT %(limit)s) x
           WHERE r.user_id = x.user_id AND r.record_id = x.record_id""",
        {"user": user, "limit": limit},
    ).rowcount


def delete_user(conn: Connection, user: UserId) -> bool:
    """All rows of a user but the audit trail; False when there is no such user.

    Where there may be many records, delete_records goes before, batch by batch.
    """
    # Waits for writes under way, and holds up new ones: none leaves a record that keeps the user here.
    conn.execute("SELECT FROM users WHERE user_id = %(user)s FOR UPDATE", {"user": user})
    conn.execute("DELETE FROM records WHERE user_id = %(user)s", {"user": user})
    return conn.execute("DELETE FROM users WHERE user_id = %(user)s", {"user": user}).rowcount == 1


def name_app(conn: Connection, app: AppId, name: str) -> None:
    """Keep an app's name to show; written only when it is new or changed."""
    conn.execute(
        # A conflict locks the row even where nothing is to change, and each sign-in of the app would wait for
        # the one before it: so it is looked at first.
        """INSERT INTO apps AS a (app_id, name) SELECT %(app)s, %(name)s
           WHERE NOT EXISTS (SELECT FROM apps WHERE app_id = %(app)s AND name = %(name)s)
           ON CONFLICT (app_id) DO UPDATE SET name = excluded.name WHERE a.name <> excluded.name""",
        {"app": app, "name": name},
        prepare=True,
    )
