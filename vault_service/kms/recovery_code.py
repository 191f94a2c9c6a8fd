"""A recovery code that the user keeps, where the policy allows it: make one, set a new password with it.

- One code a user. It is shown once; a new one ends the old one, and so does a new password (the epoch).
- Using it sets a password, raises the epoch and uses the code up, in one transaction.
- Guesses are counted as a password's, but apart from them: whoever locked somebody's password by guessing
  has not locked the code.
"""

import contextlib
import hashlib
from dataclasses import replace

from vault_service.crypto.dek import Dek
from vault_service.crypto.password_rules import judge_password
from vault_service.crypto.recovery_code import format_code, new_code, parse_code
from vault_service.domain.contexts import context
from vault_service.domain.errors import (
    ConcurrentChangeError,
    LoginRefusedError,
    SealBrokenError,
    ThrottledError,
    UnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, AppId, UserId
from vault_service.domain.login import normalise_login
from vault_service.domain.recovery_errors import RecoveryCodeOffError
from vault_service.kms.code_wrap import noise_code, open_code, seal_code
from vault_service.kms.recovery_messages import (
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService
from vault_service.kms.standing import standing_of
from vault_service.kms.wraps import LoginBinding, TamperedWrapError
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import GuessRefused, count_guess, give_back_guess, reset_guesses
from vault_service.storage.keys.recovery_codes import CodeRow, find_code, put_code, take_code
from vault_service.storage.keys.users import (
    UserRow,
    find_by_id,
    find_by_login,
    hold_credential,
    is_current,
    replace_credential,
)

_REFUSED = KeysEvent.RECOVERY_CODE_REFUSED


def create_recovery_code(service: KeyService, request: CreateRecoveryCode) -> RecoveryCodeIs:
    """Check the password, then make a code; the user's older one ends.

    Raises RecoveryCodeOffError, LoginRefusedError, ThrottledError, ConcurrentChangeError.
    """
    _demand_enabled(service)
    user = UserId(request.user_id)
    manifest = service.manifests.current()
    with service.db.connection() as conn:
        row = find_by_id(conn, user)
    if row is None or row.credential.must_change:  # a one-time password must not outlive itself as a code
        service.refuse_nobody(user, request.password, refused=_REFUSED)
    standing = standing_of(service, row)
    dek = service.prove(row, request.password, known=True, refused=_REFUSED, suspended=standing.suspended)
    code = new_code()
    stored = seal_code(service.keyring, row, dek, code, pepper_gen=manifest.pepper_gen)
    with service.db.transaction() as conn:
        now = service.now()
        # Locks the credential: no change of password or login passes a code that it does not know of.
        current = is_current(conn, user, row.credential.credential, now)
        if current:
            put_code(conn, user, stored, now)
            standing.cancel(service, conn, now)
            reset_guesses(conn, row.login_index, now)
            reset_guesses(conn, _guesses_of(row.login_index), now)
        kind = KeysEvent.RECOVERY_CODE_CREATED if current else _REFUSED
        insert_event(conn, kind, now, user=user, epoch=row.credential.epoch)
    if not current:
        raise ConcurrentChangeError
    return RecoveryCodeIs(format_code(code))


def redeem_recovery_code(service: KeyService, request: RedeemRecoveryCode) -> CodeRedeemed:
    """Set a new password with the code. A refusal is the same whether there is such a login or code.

    Raises RecoveryCodeOffError, InvalidInputError, WeakPasswordError, LoginRefusedError, ThrottledError,
    ConcurrentChangeError, AppKeyRefusedError; UnsealedError while the trail is not sealed.
    """
    _demand_enabled(service)
    service.sealing.demand()
    app = service.app(request.app_key)
    manifest = service.manifests.current()
    name = normalise_login(request.login)
    code = parse_code(request.code)
    judge_password(
        request.new_password, service.policies.passwords, login=name, names=(app.name, "vault_service")
    )
    login = service.login_binding(app.tenant, name, manifest)
    with service.db.connection() as conn:
        row = find_by_login(conn, login.index)
        known = row is not None and row.tenant == app.tenant
        if row is None or not known:
            row = service.noise_user(login, manifest)
        elif (row.login_index, row.login_index_gen) != (login.index, login.index_gen):
            row = replace(service.noise_user(login, manifest), user=row.user)  # as in unlock.py
        stored = find_code(conn, row.user)
    standing = standing_of(service, row)
    dek = _prove(service, row, stored, code, known=known, suspended=standing.suspended, app=app.app)
    credential = service.wraps.seal_password(
        dek, request.new_password, epoch=row.credential.epoch + 1,
        login=LoginBinding(row.login_index, row.login_index_gen),
        kdf=service.policies.passwords.argon2id.params(), pepper_gen=manifest.pepper_gen,
    )  # fmt: skip
    with service.db.transaction() as conn:
        now = service.now()
        # The credential first, as everybody locks them: else a code made meanwhile would wait for this one.
        won = (
            stored is not None
            and hold_credential(conn, row.user, row.credential.credential)
            and take_code(conn, row.user, stored.code)
            and replace_credential(conn, row.user, row.credential.credential, credential, now)
        )
        if won:
            standing.cancel(service, conn, now)
            reset_guesses(conn, row.login_index, now)
            reset_guesses(conn, _guesses_of(row.login_index), now)
        kind = KeysEvent.RECOVERY_CODE_USED if won else _REFUSED
        epoch = credential.epoch if won else row.credential.epoch
        insert_event(conn, kind, now, user=row.user, app=app.app, epoch=epoch)
    if not won:
        raise ConcurrentChangeError
    return CodeRedeemed(row.user, credential.epoch)


def _demand_enabled(service: KeyService) -> None:
    if not service.policies.recovery.recovery_code.enabled:
        raise RecoveryCodeOffError


def _guesses_of(login_index: bytes) -> bytes:
    """Under what a login's guesses at the code are counted: 32 bytes that are nobody's login index."""
    return hashlib.sha256(context(b"code-guesses", login_index)).digest()


def _prove(
    service: KeyService,
    row: UserRow,
    stored: CodeRow | None,
    code: bytes,
    *,
    known: bool,
    suspended: bool,
    app: AppId,
) -> Dek:
    """Count the guess, then open the DEK with the code; as KeyService.prove does with a password."""
    user, guesses = row.user if known else NOBODY, _guesses_of(row.login_index)
    with service.db.transaction() as conn:
        counted = count_guess(conn, guesses, service.policies.limits.guesses, service.now())
        if isinstance(counted, GuessRefused):
            kind = _REFUSED if counted.locked else KeysEvent.UNLOCK_THROTTLED
            insert_event(conn, kind, service.now(), user=user, app=app, login_index=row.login_index)
    if isinstance(counted, GuessRefused):
        if counted.locked:
            raise LoginRefusedError
        raise ThrottledError(retry_after_s=max(1, int(counted.wait.total_seconds()) + 1))
    try:
        dek = open_code(service.keyring, row, stored or noise_code(row), code)
    except SealBrokenError as error:
        altered = known and stored is not None and isinstance(error, TamperedWrapError)
        kind = KeysEvent.WRAP_INTEGRITY_FAILED if altered else _REFUSED
        service.record(kind, user=user, app=app, login_index=row.login_index)
        raise LoginRefusedError from None
    except UnavailableError:
        with contextlib.suppress(UnavailableError), service.db.transaction() as conn:
            give_back_guess(conn, guesses, counted, service.now())
        raise
    if suspended:
        service.record(_REFUSED, user=user, app=app, login_index=row.login_index)
        raise LoginRefusedError
    return dek
