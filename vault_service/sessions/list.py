"""My sessions: where I am signed in."""

from dataclasses import dataclass
from datetime import datetime

from vault_service.domain.ids import SessionId
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.open import open_session
from vault_service.storage.pool import Database
from vault_service.storage.records.sessions import list_sessions


@dataclass(frozen=True, slots=True)
class MySession:
    """One sign-in that is still good."""

    session: SessionId
    app: str | None
    created_at: datetime
    last_seen: datetime  # to the minute
    expires_at: datetime
    current: bool


def my_sessions(db: Database, token: SessionToken, now: datetime) -> tuple[MySession, ...]:
    """Newest first. Raises SessionRefusedError."""
    session = open_session(db, token, now)
    with db.connection() as conn:
        listed = list_sessions(conn, session.user, now)
    return tuple(
        MySession(
            each.session, each.app_name, each.created_at, each.last_seen, each.expires_at,
            each.session == session.session,
        )
        for each in listed
    )  # fmt: skip
