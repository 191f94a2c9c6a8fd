"""Change a password: wraps only, and every session ends.

records: intent -> keys: check, compare-and-set, epoch + 1 -> records: floor raised, sessions
deleted, intent gone. Refused by the keys side: the intent goes. No answer: the intent stays, and
the worker asks for the epoch and finishes what was begun.
"""

from vault_service.accounts.across import (
    ask_with_intent,
    begin_intent,
    end_older_sessions,
    keys_side_done,
    newest_epoch,
)
from vault_service.accounts.service import AccountParts
from vault_service.domain.ids import AppId, SessionId, UserId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.messages import ChangePassword, EpochIs
from vault_service.sessions.open import open_session


def change_password(parts: AccountParts, token: SessionToken, current: str, new: str) -> None:
    """Every session of the user ends, this one too.

    Raises LoginRefusedError, ThrottledError, WeakPasswordError, ConcurrentChangeError,
    OutcomeUnknownError.
    """
    session = open_session(parts.db, token, parts.now())
    _change(
        parts,
        ChangePassword(session.user, current, new),
        session.epoch,
        app=session.app,
        session=session.session,
    )


def redeem_one_time_password(parts: AccountParts, user: UserId, one_time: str, new: str) -> None:
    """Choose a password with the one-time one that the app handed over.

    Raises as change_password does.
    """
    parts.redeeming.spend()
    # Not the floor of this side: it is missing or old where a sign-up or a new one-time password was
    # cut short, and the repair would take the difference for a change of password.
    epoch = newest_epoch(parts, user)
    _change(parts, ChangePassword(user, one_time, new, one_time=True), epoch or 0)


def _change(
    parts: AccountParts,
    request: ChangePassword,
    epoch: int,
    *,
    app: AppId | None = None,
    session: SessionId | None = None,
) -> None:
    user = UserId(request.user_id)
    intent = begin_intent(parts, user, "password", epoch)
    raised = ask_with_intent(parts, intent, request, EpochIs)
    if raised.epoch is not None:
        with keys_side_done():
            end_older_sessions(parts, intent, raised.epoch, app=app, session=session)
