"""Changes that span both databases: written down before they begin, so that a crash can be repaired."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import UserId, new_uuid

Kind = Literal["password", "erase", "data-key"]
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Intent:
    """One change that began; `epoch` is the user's at that time."""

    user: UserId
    intent: UUID
    kind: Kind
    epoch: int
    began: datetime


def insert_intent(conn: Connection, user: UserId, kind: Kind, epoch: int, now: datetime) -> Intent:
    """Write down that a change begins."""
    intent = Intent(user, new_uuid(), kind, epoch, now)
    conn.execute(
        """INSERT INTO intents (user_id, intent_id, kind, epoch, created_at)
           VALUES (%(user)s, %(intent)s, %(kind)s, %(epoch)s, %(now)s)""",
        {"user": user, "intent": intent.intent, "kind": kind, "epoch": epoch, "now": now},
    )
    return intent


def delete_intent(conn: Connection, intent: Intent) -> bool:
    """The change is over, one way or the other; False when somebody else saw to it."""
    return (
        conn.execute(
            "DELETE FROM intents WHERE user_id = %(user)s AND intent_id = %(intent)s",
            {"user": intent.user, "intent": intent.intent},
        ).rowcount
        == 1
    )


def has_intent(conn: Connection, user: UserId) -> bool:
    """Whether a change of this user's is under way, or is yet to be repaired."""
    row = conn.execute("SELECT 1 FROM intents WHERE user_id = %(user)s LIMIT 1", {"user": user}).fetchone()
    return row is not None


def find_old(
    conn: Connection, before: datetime, limit: int, *, after: Intent | None = None
) -> tuple[Intent, ...]:
    """Intents that began before a time, oldest first; `after` is the last one of the page before."""
    rows = conn.execute(
        """SELECT user_id, intent_id, kind, epoch, created_at FROM intents
           WHERE created_at < %(before)s AND (created_at, intent_id) > (%(began)s, %(intent)s)
           ORDER BY created_at, intent_id LIMIT %(limit)s""",
        {
            "before": before,
            "limit": limit,
            "began": after.began if after else _EVER,
            "intent": after.intent if after else UUID(int=0),
        },
    ).fetchall()
    return tuple(Intent(*row) for row in rows)
