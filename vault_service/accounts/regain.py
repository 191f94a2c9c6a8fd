"""Ask for access again with a new password, and see or cancel that; or use the code that was kept.

The case is the key service's: this side keeps nothing of it, and an answer is the same whether or not
anybody has the login. What officers then do reaches this side through follow.py.
"""

import hashlib
from uuid import UUID

from vault_service.accounts.across import keys_side_done
from vault_service.accounts.service import AccountParts
from vault_service.domain.contexts import context, text
from vault_service.domain.errors import KmsUnavailableError, MustChangePasswordError, OutcomeUnknownError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, CaseId, UserId, new_uuid
from vault_service.domain.tokens import AppKey, SessionToken
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CancelRecovery,
    CodeRedeemed,
    CreateRecoveryCode,
    DoneCase,
    RecoveryBegun,
    RecoveryCodeIs,
    RecoveryStatus,
    RecoveryStatusIs,
    RedeemRecoveryCode,
)
from vault_service.sessions.open import open_session
from vault_service.storage.pool import repeatable
from vault_service.storage.records.events import check_writable, insert_event
from vault_service.storage.records.sessions import end_sessions_below
from vault_service.storage.records.users import raise_floor


def begin_recovery(
    parts: AccountParts,
    app_key: str,
    login: str,
    new_password: str,
    *,
    stolen: bool,
    idempotency_key: str | None,
) -> RecoveryBegun:
    """Open a case. A retry with the same key finds it again.

    Raises WeakPasswordError, TooManyCasesError, AppKeyRefusedError, IdempotencyConflictError,
    OutcomeUnknownError.
    """
    case = _case_of(AppKey.parse(app_key).app, idempotency_key)
    request = BeginRecovery(app_key, case, login, new_password, stolen)
    try:
        return parts.kms.call(request, RecoveryBegun)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None


def recovery_status(parts: AccountParts, app_key: str, case: CaseId) -> RecoveryStatusIs:
    """How a case of this app stands. Raises CaseNotFoundError, AppKeyRefusedError."""
    return parts.kms.call(RecoveryStatus(app_key, case), RecoveryStatusIs)


def cancel_recovery(parts: AccountParts, token: SessionToken, case: CaseId) -> None:
    """End a case about oneself.

    Raises CaseNotFoundError, CaseClosedError, NotPermittedError, OutcomeUnknownError.
    """
    session = open_session(parts.db, token, parts.now())
    try:
        parts.kms.call(CancelRecovery(case, session.user, session.unlock), DoneCase)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None


def create_recovery_code(parts: AccountParts, token: SessionToken, password: str) -> str:
    """A new code; the older one ends. It is shown this once.

    Raises RecoveryCodeOffError, LoginRefusedError, ThrottledError, ConcurrentChangeError,
    MustChangePasswordError, OutcomeUnknownError.
    """
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    try:
        return parts.kms.call(CreateRecoveryCode(session.user, password), RecoveryCodeIs).code
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None


def redeem_recovery_code(parts: AccountParts, app_key: str, login: str, code: str, new_password: str) -> None:
    """Set a new password with the code; every session of the user ends.

    keys: check, compare-and-set, epoch + 1 -> records: floor raised, sessions deleted. There is no intent:
    whose login it is shows only when the code was right. After a crash between, the worker learns of it from
    the keys log (follow.py).

    Raises RecoveryCodeOffError, InvalidInputError, LoginRefusedError, ThrottledError, WeakPasswordError,
    ConcurrentChangeError, OutcomeUnknownError.
    """
    check_writable(parts.db)  # else the password would change, and this side's sessions go on
    request = RedeemRecoveryCode(app_key, login, code, new_password)
    try:
        redeemed = parts.kms.call(request, CodeRedeemed)
    except KmsUnavailableError:
        raise OutcomeUnknownError("the key service") from None
    with keys_side_done():
        _finish(parts, UserId(redeemed.user_id), redeemed.epoch, AppKey.parse(app_key).app)


@repeatable
def _finish(parts: AccountParts, user: UserId, epoch: int, app: AppId) -> None:
    with parts.db.transaction() as conn:
        raised = raise_floor(conn, user, epoch)
        if end_sessions_below(conn, user, epoch) or raised:  # else the worker was faster
            insert_event(conn, user=user, kind=RecordsEvent.PASSWORD_CHANGED, at=parts.now(), app=app)


def _case_of(app: AppId, idempotency_key: str | None) -> CaseId:
    """The case's id: a name for the app's own key, that no other app's key has."""
    if idempotency_key is None:
        return CaseId(new_uuid())
    name = hashlib.sha256(context(b"recovery-id", app.bytes, text(idempotency_key))).digest()
    return CaseId(UUID(bytes=name[:16], version=4))
