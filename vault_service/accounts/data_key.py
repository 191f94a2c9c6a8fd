"""Change a user's data key: the only rotation that rewrites records.

begin       records: intent -> keys: check, a new DEK that keeps the older one, epoch + 1 -> records: floor
            raised, sessions deleted, intent gone
sign in     the session holds both; new records are under the new one; some older ones follow at once
continue    more of them follow; after the last one -> keys: the older DEK is dropped -> records: sessions
            forget it

A crash between any two of them leaves what signing in again and continuing goes on from. Between the raised
epoch and the raised floor, sessions of before read and write under the older DEK as before; the worker
(repair.py) or the next sign-in ends them. Only then can a session begin that holds both, so that whoever
sees the last record follow knows that nobody writes under the older one.
"""

import structlog

from vault_service.accounts.across import ask_with_intent, begin_intent, end_older_sessions, keys_side_done
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import (
    ConcurrentChangeError,
    IntegrityError,
    KmsUnavailableError,
    MustChangePasswordError,
    OutcomeUnknownError,
    VaultError,
)
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, DekId, UserId
from vault_service.domain.rotation_errors import DataKeyChangeRefusedError
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.messages import Done, Unlock, Unlocked
from vault_service.kms.protocol.rotation_messages import AddDataKey, DataKeyAdded, DropDataKey
from vault_service.records.reencrypt import Progress, reencrypt
from vault_service.records.service import RecordParts, demand_own_password
from vault_service.sessions.open import Session, open_session
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import check_writable, insert_event
from vault_service.storage.records.reencrypt import forget_older

_log = structlog.get_logger("data_key")
AT_ONCE = 1000  # records that one request re-encrypts at most: well under a second
# For whoever has hundreds of thousands, to find those that are left takes longer than a request's statements
# may, and the change would never come to its end. A sign-in does not wait for it.
_LOOK_S = 10


def change_data_key(parts: AccountParts, token: SessionToken, password: str) -> None:
    """Every session of the user ends, this one too; a recovery code ends.

    Raises LoginRefusedError, ThrottledError, MustChangePasswordError, DataKeyChangeRefusedError,
    ConcurrentChangeError, IntegrityError, OutcomeUnknownError.
    """
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    intent = begin_intent(parts, session.user, "data-key", session.epoch)
    added = ask_with_intent(parts, intent, AddDataKey(session.user, password), DataKeyAdded)
    with keys_side_done():
        end_older_sessions(parts, intent, added.epoch, app=session.app, session=session.session)


def continue_data_key(parts: AccountParts, token: SessionToken) -> Progress:
    """Re-encrypt some more; when no record is left under an older data key, drop it.

    Raises SessionRefusedError, MustChangePasswordError, DataKeyChangeRefusedError, OutcomeUnknownError.
    """
    session = open_session(parts.db, token, parts.now())
    demand_own_password(session)
    check_writable(parts.db)
    return _go_on(parts, session, AT_ONCE, patience_s=_LOOK_S)


def changed_at_sign_in(parts: AccountParts, request: Unlock, opened: Unlocked) -> Unlocked:
    """Change the data key that an operator demands to be changed, while the password is at hand.

    Returns what the key service opens from now on. Where it refuses the change, signing in goes on: the
    demand stands until it is met. Raises as a sign-in does, and OutcomeUnknownError.
    """
    user = UserId(opened.user_id)
    intent = begin_intent(parts, user, "data-key", opened.epoch)
    try:
        added = ask_with_intent(
            parts, intent, AddDataKey(user, request.password, demanded=True), DataKeyAdded
        )
    except (DataKeyChangeRefusedError, ConcurrentChangeError, IntegrityError) as error:
        _log.warning("data_key.not_changed", user_id=str(user), code=error.code)
    else:
        with keys_side_done():
            end_older_sessions(parts, intent, added.epoch, app=AppId(opened.app_id))
    return parts.kms.call(request, Unlocked)


def go_on_at_sign_in(parts: AccountParts, token: SessionToken) -> int:
    """Some of what is left, before the sign-in is answered; returns how many records remain.

    The session stands: what fails here is told by the next call that continues.
    """
    try:
        session = open_session(parts.db, token, parts.now())
        return _go_on(parts, session, parts.policies.rotation.data_key.at_sign_in).remaining
    except VaultError as error:
        _log.warning("data_key.not_continued", user_id=str(token.user), code=error.code)
        return 1  # at least: there is something to continue


def _go_on(parts: AccountParts, session: Session, limit: int, *, patience_s: int = 0) -> Progress:
    if not session.keys.older:
        return Progress(0, 0, ())
    records = RecordParts(parts.db, parts.policies.collections, parts.now)
    progress = reencrypt(
        records, session, batch=parts.policies.rotation.data_key.batch, limit=limit, patience_s=patience_s
    )
    for dek in progress.free:
        try:
            parts.kms.call(DropDataKey(session.user, dek, session.unlock), Done)
        except KmsUnavailableError:
            raise OutcomeUnknownError("the key service") from None
    if progress.free:
        with keys_side_done():
            _forget(parts, session, progress.free)
    return progress


@repeatable
def _forget(parts: AccountParts, session: Session, deks: tuple[DekId, ...]) -> None:
    with parts.db.transaction() as conn:
        if forget_older(conn, session.user, deks):
            insert_event(
                conn, user=session.user, kind=RecordsEvent.RECORDS_REENCRYPTED, at=parts.now(),
                app=session.app, session=session.session, unlock=session.unlock, n=0,
            )  # fmt: skip
