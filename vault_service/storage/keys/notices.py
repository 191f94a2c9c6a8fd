"""Messages about cases that are to be sent, as the keys side's worker sees them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from psycopg import Connection

from vault_service.domain.case import CaseKind


@dataclass(frozen=True, slots=True)
class Notice:
    """One message; the case itself is never sent."""

    notice: UUID
    case: UUID
    kind: CaseKind
    what: str
    at: datetime
    audience: Literal["app", "officers"]
    app: str | None  # whose user it is about
    user: UUID | None
    failures: int


def due_notices(conn: Connection, now: datetime, limit: int) -> tuple[Notice, ...]:
    """Those whose time has come, oldest first."""
    rows = conn.execute(
        """SELECT n.notification_id, n.case_id, c.kind, n.what, n.created_at, n.audience, a.name, c.user_id,
                  n.failures
           FROM notifications n JOIN cases c USING (case_id) LEFT JOIN apps a ON a.app_id = c.app_id
           WHERE n.sent_at IS NULL AND n.not_before <= %(now)s
           ORDER BY n.not_before, n.notification_id LIMIT %(limit)s""",
        {"now": now, "limit": limit},
    )
    return tuple(Notice(*row) for row in rows)


def mark_sent(conn: Connection, notice: UUID, now: datetime) -> None:
    """It was taken, or there is nobody to send it to."""
    conn.execute(
        "UPDATE notifications SET sent_at = %(now)s, last_error = NULL WHERE notification_id = %(id)s",
        {"id": notice, "now": now},
    )


def postpone(conn: Connection, notice: UUID, until: datetime, error: str) -> None:
    """It was not taken."""
    conn.execute(
        """UPDATE notifications SET failures = failures + 1, not_before = %(until)s, last_error = %(error)s
           WHERE notification_id = %(id)s""",
        {"id": notice, "until": until, "error": error},
    )


def count_waiting(conn: Connection) -> int:
    """How many are not sent yet."""
    row = conn.execute("SELECT count(*) FROM notifications WHERE sent_at IS NULL").fetchone()
    return int(row[0]) if row else 0


def forget_old(conn: Connection, now: datetime, *, sent: timedelta, unsent: timedelta, limit: int) -> int:
    """Delete what was sent, and what nobody took, so long ago; returns how many nobody took."""
    gone = conn.execute(
        """DELETE FROM notifications WHERE notification_id IN (
             SELECT notification_id FROM notifications
             WHERE sent_at < %(sent)s OR (sent_at IS NULL AND created_at < %(unsent)s) LIMIT %(limit)s)
           RETURNING sent_at IS NULL""",
        {"sent": now - sent, "unsent": now - unsent, "limit": limit},
    )
    return sum(bool(is_unsent) for (is_unsent,) in gone)


@dataclass(frozen=True, slots=True)
class CasesState:
    """How the cases stand, for figures and `vaultctl doctor`."""

    under_way: dict[CaseKind, int]
    last_drill: datetime | None


def cases_state(conn: Connection) -> CasesState:
    """Decoys left out."""
    counted = conn.execute(
        """SELECT kind, count(*) FROM cases
           WHERE state IN ('open', 'executing') AND NOT decoy GROUP BY kind"""
    ).fetchall()
    drill = conn.execute(
        "SELECT max(closed_at) FROM cases WHERE kind = 'drill' AND state = 'executed'"
    ).fetchone()
    return CasesState(dict(counted), drill[0] if drill else None)


def vault_began(conn: Connection) -> datetime | None:
    """When the first manifest was stored; None before genesis."""
    row = conn.execute("SELECT created_at FROM manifests WHERE serial = 1").fetchone()
    return row[0] if row else None
