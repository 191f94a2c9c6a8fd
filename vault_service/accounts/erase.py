"""Erase an account: the wraps first, after which the records are noise, then the rows.

records: intent -> keys: check the password, destroy the wraps -> records: sessions ended, then rows
deleted. The repair of an old intent deletes rows only if the wraps are gone.

Somebody's rows may be more than one statement can delete within its time-out, so they go in batches.
The sessions go first: each holds the DEK, and would go on reading what is still there.
"""

from vault_service.accounts.across import ask_with_intent, begin_intent, keys_side_done
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import MustChangePasswordError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, SessionId, UserId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.messages import Done, Erase
from vault_service.sessions.open import open_session
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.intents import Intent, delete_intent
from vault_service.storage.records.sessions import end_all_sessions
from vault_service.storage.records.users import delete_records, delete_user

_BATCH = 5_000  # records; about an eighth of a second with five tags each


def erase(parts: AccountParts, token: SessionToken, password: str) -> None:
    """Final. Raises LoginRefusedError, ThrottledError, ConcurrentChangeError, OutcomeUnknownError."""
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    intent = begin_intent(parts, session.user, "erase", session.epoch)
    ask_with_intent(parts, intent, Erase(session.user, password), Done)
    with keys_side_done():
        finish_erasure(parts, intent, app=session.app, session=session.session)


@repeatable
def finish_erasure(
    parts: AccountParts, intent: Intent, *, app: AppId | None = None, session: SessionId | None = None
) -> None:
    """The wraps are gone: delete the rows. May be repeated.

    The work is done even when the intent is gone: the worker may have given up a slow request.
    """
    clear_rows(parts, intent.user, app=app, session=session)
    with parts.db.transaction() as conn:
        open_until_now = delete_intent(conn, intent)
        if delete_user(conn, intent.user) or open_until_now:
            insert_event(
                conn, user=intent.user, kind=RecordsEvent.USER_ERASED, at=parts.now(), app=app,
                session=session,
            )  # fmt: skip


def clear_rows(
    parts: AccountParts, user: UserId, *, app: AppId | None = None, session: SessionId | None = None
) -> None:
    """All but the user's own row: whoever deletes that one says so in the trail. May be repeated."""
    with parts.db.transaction() as conn:
        ended = end_all_sessions(conn, user)
        if ended:
            insert_event(
                conn, user=user, kind=RecordsEvent.SESSIONS_ENDED, at=parts.now(), app=app,
                session=session, n=ended,
            )  # fmt: skip
    while parts.db.run(lambda conn: delete_records(conn, user, _BATCH)) == _BATCH:
        pass
