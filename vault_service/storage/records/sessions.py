"""Sessions: the DEK wrapped under a token's secret. No row opens without that secret."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from vault_service.domain.ids import AppId, DekId, SessionId, TenantId, UnlockId, UserId

# What every statement for a signed-in user begins with: the session if it is alive, and its idle
# clock moved at most once a minute, or once in a tenth of a short idle time: what is used every now and
# then must not end. The secret's hash is compared here: whoever only knows a session's id must not be able
# to write events in somebody's name.
_SESSION: LiteralString = """
  s AS (
    SELECT s.user_id, s.session_id, s.app_id, s.unlock_id, s.must_change, s.epoch, s.dek_id, s.dek_wrap,
           u.tenant_id, s.older_deks, s.older_wraps
    FROM sessions s JOIN users u USING (user_id)
    WHERE s.user_id = %(user)s AND s.session_id = %(session)s AND s.secret_hash = %(secret_hash)s
      AND s.epoch = u.epoch AND s.expires_at > %(now)s
      AND s.last_seen + s.idle_s * interval '1 second' > %(now)s"""
_SEEN: LiteralString = """),
  seen AS (
    UPDATE sessions SET last_seen = %(now)s
    WHERE user_id = %(user)s AND session_id = %(session)s
      AND last_seen < %(now)s - least(60, idle_s / 10) * interval '1 second' AND EXISTS (SELECT FROM s))
"""
LIVE: LiteralString = _SESSION + _SEEN
# For what writes: whoever raises the floor waits for it, or it meets the raised floor. So once a session
# with a new data key is there, nothing is written under the older one alone any more.
LIVE_HELD: LiteralString = _SESSION + " FOR SHARE OF u" + _SEEN
LIVE_COLUMNS: LiteralString = """
  s.dek_id, s.dek_wrap, s.epoch, s.app_id, s.unlock_id, s.must_change, s.tenant_id,
  s.older_deks, s.older_wraps
"""
LIVE_WIDTH = 9  # columns


@dataclass(frozen=True, slots=True)
class SessionKey:
    """What a token tells the database: ids and the secret's hash, never the secret."""

    user: UserId
    session: SessionId
    secret_hash: bytes = field(repr=False)

    def values(self, now: datetime) -> dict[str, Any]:
        """The parameters of LIVE."""
        return {"user": self.user, "session": self.session, "secret_hash": self.secret_hash, "now": now}


@dataclass(frozen=True, slots=True)
class LiveSession:
    """LIVE_COLUMNS: a session that is neither ended nor expired, idle too long, or below the floor."""

    dek: DekId
    dek_wrap: bytes = field(repr=False)
    epoch: int
    app: AppId
    unlock: UnlockId
    must_change: bool
    tenant: TenantId
    older_deks: list[DekId] | None  # None: there is no older one, as nearly always
    older_wraps: list[bytes] | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it is stored."""

    user: UserId
    session: SessionId
    secret_hash: bytes = field(repr=False)
    dek: DekId
    dek_wrap: bytes = field(repr=False)
    epoch: int
    app: AppId
    unlock: UnlockId
    must_change: bool
    created_at: datetime
    idle_s: int
    expires_at: datetime
    older: tuple[tuple[DekId, bytes], ...] = field(default=(), repr=False)  # with their wraps


@dataclass(frozen=True, slots=True)
class ListedSession:
    """What a user sees of a session."""

    session: SessionId
    app_name: str | None
    created_at: datetime
    last_seen: datetime
    expires_at: datetime


def find_live_session(conn: Connection, key: SessionKey, now: datetime) -> LiveSession | None:
    """One statement; None tells nothing about why."""
    row = conn.execute(
        "WITH" + LIVE + "SELECT" + LIVE_COLUMNS + "FROM s", key.values(now), prepare=True
    ).fetchone()
    return LiveSession(*row) if row else None


def insert_session(conn: Connection, row: SessionRow) -> None:
    """A new session, seen just now."""
    conn.execute(
        """INSERT INTO sessions (user_id, session_id, secret_hash, dek_id, dek_wrap, epoch, app_id, unlock_id,
                                 must_change, created_at, last_seen, idle_s, expires_at, older_deks,
                                 older_wraps)
           VALUES (%(user)s, %(session)s, %(secret_hash)s, %(dek)s, %(dek_wrap)s, %(epoch)s, %(app)s,
                   %(unlock)s, %(must_change)s, %(created_at)s, %(created_at)s, %(idle_s)s,
                   %(expires_at)s, %(older_deks)s, %(older_wraps)s)""",
        {
            "user": row.user,
            "session": row.session,
            "secret_hash": row.secret_hash,
            "dek": row.dek,
            "dek_wrap": row.dek_wrap,
            "epoch": row.epoch,
            "app": row.app,
            "unlock": row.unlock,
            "must_change": row.must_change,
            "created_at": row.created_at,
            "idle_s": row.idle_s,
            "expires_at": row.expires_at,
            "older_deks": [dek for dek, _ in row.older] or None,
            "older_wraps": [wrap for _, wrap in row.older] or None,
        },
        prepare=True,
    )


def end_session(conn: Connection, user: UserId, session: SessionId) -> bool:
    """False when the user has no such session."""
    return (
        conn.execute(
            "DELETE FROM sessions WHERE user_id = %(user)s AND session_id = %(session)s",
            {"user": user, "session": session},
        ).rowcount
        == 1
    )


def end_all_sessions(conn: Connection, user: UserId) -> int:
    """Returns how many there were."""
    return conn.execute("DELETE FROM sessions WHERE user_id = %(user)s", {"user": user}).rowcount


def end_sessions_below(conn: Connection, user: UserId, epoch: int) -> int:
    """Those that began under an older password; returns how many there were."""
    return conn.execute(
        "DELETE FROM sessions WHERE user_id = %(user)s AND epoch < %(epoch)s", {"user": user, "epoch": epoch}
    ).rowcount


def list_sessions(conn: Connection, user: UserId, now: datetime) -> tuple[ListedSession, ...]:
    """Those that a request could still use, newest first."""
    rows = conn.execute(
        """SELECT s.session_id, a.name, s.created_at, s.last_seen, s.expires_at
           FROM sessions s JOIN users u USING (user_id) LEFT JOIN apps a USING (app_id)
           WHERE s.user_id = %(user)s AND s.epoch = u.epoch AND s.expires_at > %(now)s
             AND s.last_seen + s.idle_s * interval '1 second' > %(now)s
           ORDER BY s.session_id DESC""",
        {"user": user, "now": now},
    ).fetchall()
    return tuple(ListedSession(*row) for row in rows)


def trim_sessions(conn: Connection, user: UserId, keep: int) -> int:
    """Keep the newest so many; returns how many older ones ended."""
    return conn.execute(
        """DELETE FROM sessions s USING (
             SELECT user_id, session_id FROM sessions WHERE user_id = %(user)s
             ORDER BY session_id DESC OFFSET %(keep)s) old
           WHERE s.user_id = old.user_id AND s.session_id = old.session_id""",
        {"user": user, "keep": keep},
        prepare=True,
    ).rowcount
