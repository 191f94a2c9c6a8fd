"""One change across both databases: an intent first, then the key service, then the records side.

Nothing begins while the records side's trail cannot be written: the key service's part would stand,
and this side could not follow. Refused by the key service, the intent goes and nothing happened.
Without an answer the intent stays, and the worker (repair.py) finds out what became of it.
"""

import contextlib
from collections.abc import Generator, Mapping
from typing import TypeVar

from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import (
    ConcurrentChangeError,
    KmsUnavailableError,
    LoginRefusedError,
    OutcomeUnknownError,
    OverloadedError,
    UnavailableError,
    VaultError,
)
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, SessionId, UserId
from vault_service.kms.protocol.messages import Answer, Epoch, EpochIs, Request
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import check_writable, insert_event
from vault_service.storage.records.intents import Intent, Kind, delete_intent, insert_intent
from vault_service.storage.records.sessions import end_sessions_below
from vault_service.storage.records.users import find_floor, raise_floor

_RAISED: Mapping[Kind, RecordsEvent] = {
    "password": RecordsEvent.PASSWORD_CHANGED,
    "data-key": RecordsEvent.DATA_KEY_CHANGED,
}
"""What raised the epoch, by the intent."""
_A = TypeVar("_A", bound=Answer)


def begin_intent(parts: AccountParts, user: UserId, kind: Kind, epoch: int) -> Intent:
    """Write down what begins; `epoch` is the user's as it is known here. Raises UnavailableError."""
    check_writable(parts.db)
    with parts.db.connection() as conn:
        return insert_intent(conn, user, kind, epoch, parts.now())


def ask_with_intent(parts: AccountParts, intent: Intent, request: Request, answer: type[_A]) -> _A:
    """Make the key service's part of the change.

    Raises OutcomeUnknownError when the connection broke, and whatever the key service refused with.
    """
    try:
        return parts.kms.call(request, answer)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None
    except VaultError as error:
        if isinstance(error, UnavailableError) and not isinstance(error, OverloadedError):
            raise  # whether the key service's commit stands may be open: the worker looks
        # Refused; or there was no memory for the password's hash, which comes before anything is done.
        with parts.db.connection() as conn:
            delete_intent(conn, intent)
        raise


def is_put_back(parts: AccountParts, user: UserId, epoch: int) -> bool:
    """Whether the keys side's epoch is one that is over: a superuser put an older password wrap back.

    Nothing that raises the epoch may begin with it, or it would climb to the floor. A backup of the keys
    database that was restored is the same; its trail knows nothing of what came later, but this side does.
    """
    with parts.db.connection() as conn:
        floor = find_floor(conn, user)
    return floor is not None and epoch < floor


def newest_epoch(parts: AccountParts, user: UserId) -> int | None:
    """The user's on the keys side, or None; asked for before a one-time password leads to another credential.

    Raises LoginRefusedError, with an event, for one that is over.
    """
    # First the floor, which nobody raises before the epoch: else the same request sent twice at once looks
    # like tampering. For a user id that nobody has as well, since who redeems needs no app key.
    with parts.db.connection() as conn:
        floor = find_floor(conn, user)
    epoch = parts.kms.call(Epoch(user), EpochIs).epoch
    if epoch is not None and floor is not None and epoch < floor:
        with parts.db.transaction() as conn:
            insert_event(conn, user=user, kind=RecordsEvent.SESSION_REFUSED, at=parts.now())
        raise LoginRefusedError
    return epoch


@contextlib.contextmanager
def keys_side_done() -> Generator[None]:
    """What the key service did stands already: a failure here must not say that nothing was changed.

    Raises OutcomeUnknownError.
    """
    try:
        yield
    except (UnavailableError, ConcurrentChangeError):
        raise OutcomeUnknownError("the records database") from None


@repeatable
def end_older_sessions(
    parts: AccountParts,
    intent: Intent,
    epoch: int,
    *,
    app: AppId | None = None,
    session: SessionId | None = None,
) -> None:
    """The keys side has raised the epoch; from this commit no older session lives. May be repeated.

    The work is done even when the intent is gone: the worker may have given up a slow request.
    """
    with parts.db.transaction() as conn:
        open_until_now = delete_intent(conn, intent)
        raised = raise_floor(conn, intent.user, epoch)
        end_sessions_below(conn, intent.user, epoch)
        if open_until_now or raised:
            insert_event(
                conn,
                user=intent.user,
                kind=_RAISED[intent.kind],
                at=parts.now(),
                app=app,
                session=session,
            )
