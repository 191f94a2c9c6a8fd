"""End sessions: one, this one, or all; each with its event in the same transaction."""

from datetime import datetime

from vault_service.domain.errors import NotFoundError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import SessionId
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.open import open_session
from vault_service.storage.pool import Database
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.sessions import end_all_sessions, end_session


def end_one(db: Database, token: SessionToken, ended: SessionId, now: datetime) -> None:
    """End a session of one's own. Raises NotFoundError, SessionRefusedError."""
    session = open_session(db, token, now)
    with db.transaction() as conn:
        if not end_session(conn, session.user, ended):
            raise NotFoundError
        insert_event(
            conn, user=session.user, kind=RecordsEvent.SESSION_ENDED, at=now, app=session.app, session=ended,
            unlock=session.unlock,
        )  # fmt: skip


def end_current(db: Database, token: SessionToken, now: datetime) -> None:
    """Sign out here. Raises SessionRefusedError."""
    try:
        end_one(db, token, token.session, now)
    except NotFoundError:
        return  # a twin request was first


def end_everywhere(db: Database, token: SessionToken, now: datetime) -> int:
    """Sign out everywhere, here too; returns how many sessions ended. Raises SessionRefusedError."""
    session = open_session(db, token, now)
    with db.transaction() as conn:
        ended = end_all_sessions(conn, session.user)
        insert_event(
            conn, user=session.user, kind=RecordsEvent.SESSIONS_ENDED, at=now, app=session.app,
            session=session.session, unlock=session.unlock, n=ended,
        )  # fmt: skip
    return ended
