"""Sign up: the user id is written down first, so that any retry leads to the same user.

records: sign-up row with the id -> keys: enrol that id (repeatable) -> records: user and event.
A crash in between leaves a user whose row here is made at the first sign-in.
"""

import secrets

from vault_service.accounts.across import keys_side_done, newest_epoch
from vault_service.accounts.service import AccountParts, SignedUp, hash_idempotency_key
from vault_service.domain.errors import (
    KmsUnavailableError,
    LoginRefusedError,
    LoginTakenError,
    OutcomeUnknownError,
    UnavailableError,
    VaultError,
)
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, TenantId, UserId, new_uuid
from vault_service.domain.tokens import AppKey
from vault_service.kms.protocol.messages import Enrol, Enrolled
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import check_writable, insert_event
from vault_service.storage.records.sign_ups import begin_sign_up, forget_sign_up
from vault_service.storage.records.users import ensure_user, name_app


def sign_up(
    parts: AccountParts, app_key: str, login: str, password: str | None, idempotency_key: str | None
) -> SignedUp:
    """Make a user; without a password, one with a one-time password that must be changed.

    Raises LoginTakenError, WeakPasswordError, AppKeyRefusedError, IdempotencyConflictError,
    OutcomeUnknownError.
    """
    app = AppKey.parse(app_key).app
    key_hash = hash_idempotency_key(idempotency_key) if idempotency_key else secrets.token_bytes(32)
    check_writable(parts.db)  # else the key service would make somebody whom this side refuses to record
    with parts.db.connection() as conn:
        user, begun = begin_sign_up(conn, app, key_hash, UserId(new_uuid()), parts.now())
    if password is None and not begun:
        _demand_newest(parts, user)
    try:
        enrolled = parts.kms.call(Enrol(app_key, user, login, password), Enrolled)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None
    except UnavailableError:
        raise  # it may have been made: the row stays, a retry finds the same user
    except VaultError:
        # Only one's own: refusing a twin, or a stranger who guessed the key, must not make the first
        # request's retry a sign-up of somebody else.
        if begun:
            with parts.db.connection() as conn:
                forget_sign_up(conn, app, key_hash)
        raise
    with keys_side_done():
        _activate(parts, user, enrolled)
    return SignedUp(user, enrolled.one_time_password)


def _demand_newest(parts: AccountParts, user: UserId) -> None:
    """A retry is given another one-time password for the one that was never used, and another data key with
    it: not where this side knows that it was used, and what is stored since would open for nobody.
    """
    try:
        newest_epoch(parts, user)
    except LoginRefusedError:
        raise LoginTakenError from None


@repeatable
def _activate(parts: AccountParts, user: UserId, enrolled: Enrolled) -> None:
    app = AppId(enrolled.app_id)
    with parts.db.transaction() as conn:
        now = parts.now()
        name_app(conn, app, enrolled.app_name)
        _, is_new = ensure_user(conn, user, TenantId(enrolled.tenant_id), enrolled.epoch, now)
        if is_new:
            insert_event(conn, user=user, kind=RecordsEvent.USER_ACTIVATED, at=now, app=app)
        elif enrolled.one_time_password is not None:  # the floor rose with the epoch
            insert_event(conn, user=user, kind=RecordsEvent.ONE_TIME_PASSWORD_REISSUED, at=now, app=app)
