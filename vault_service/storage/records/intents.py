"""Changes that span both databases: written down before they begin, so that a crash can be repaired."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import UserId, new_uuid

Kind = Literal["password", "erase"]


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


def find_old(conn: Connection, before: datetime, limit: int) -> tuple[Intent, ...]:
    """Intents that began before a time, oldest first."""
    rows = conn.execute(
        """SELECT user_id, intent_id, kind, epoch, created_at FROM intents
           WHERE created_at < %(before)s ORDER BY created_at LIMIT %(limit)s""",
        {"before": before, "limit": limit},
    ).fetchall()
    return tuple(Intent(*row) for row in rows)
