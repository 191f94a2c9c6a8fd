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
from vault_service.domain.ids import NOBODY, AppId, TenantId, UserId
from vault_service.domain.login import normalise_login
from vault_service.domain.recovery_errors import RecoveryCodeOffError
from vault_service.kms.cases.standing import Standing, standing_of
from vault_service.kms.protocol.recovery_messages import (
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.look_up import Found, look_up
from vault_service.kms.users.newest import demand_newest
from vault_service.kms.users.one_time import must_change
from vault_service.kms.wrapping.code_wrap import noise_code, open_code, seal_code
from vault_service.kms.wrapping.live_login import LiveLogin
from vault_service.kms.wrapping.wraps import LoginBinding, TamperedWrapError
from vault_service.storage.keys.apps import AppKeyRow
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import (
    GuessRefused,
    count_guess_at,
    give_back_guess_at,
    reset_guesses_at,
)
from vault_service.storage.keys.logins import has_login
from vault_service.storage.keys.recovery_codes import CodeRow, find_code, put_code, take_code
from vault_service.storage.keys.users import (
    CredentialRow,
    UserRow,
    find_by_id,
    hold_credential,
    is_current,
    raise_epoch,
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
    # A one-time password must not outlive itself as a code.
    if row is None or must_change(row, request.password):
        service.refuse_nobody(user, request.password, refused=_REFUSED)
    standing = standing_of(service, row)
    dek = service.prove(row, request.password, known=True, refused=_REFUSED, suspended=standing.suspended)
    with service.proved(lambda: service.guessed_at(row)):
        return RecoveryCodeIs(
            format_code(_created(service, row, dek, standing, pepper_gen=manifest.pepper_gen))
        )


def _created(service: KeyService, row: UserRow, dek: Dek, standing: Standing, *, pepper_gen: int) -> bytes:
    code, user, indexes = new_code(), row.user, service.guessed_at(row)
    stored = seal_code(service.keyring, row, dek, code, pepper_gen=pepper_gen)
    with service.db.transaction() as conn:
        now = service.now()
        # Locks the credential: no change of password or login passes a code that it does not know of.
        current = is_current(conn, user, row.credential.credential, now) and has_login(
            conn, user, row.login_index
        )
        if current:
            put_code(conn, user, stored, now)
            standing.cancel(service, conn, now)
            reset_guesses_at(conn, indexes, now)
            reset_guesses_at(conn, tuple(map(code_guesses_of, indexes)), now)
        kind = KeysEvent.RECOVERY_CODE_CREATED if current else _REFUSED
        insert_event(conn, kind, now, user=user, epoch=row.credential.epoch)
    if not current:
        raise ConcurrentChangeError
    return code


def redeem_recovery_code(service: KeyService, request: RedeemRecoveryCode) -> CodeRedeemed:
    """Set a new password with the code. A refusal is the same whether there is such a login or code.

    Raises RecoveryCodeOffError, InvalidInputError, WeakPasswordError, LoginRefusedError, ThrottledError,
    ConcurrentChangeError, AppKeyRefusedError; UnsealedError while the trail is not sealed.
    """
    _demand_enabled(service)
    service.sealing.demand()
    app = service.app(request.app_key)
    name = normalise_login(request.login)
    code = parse_code(request.code)
    judge_password(
        request.new_password, service.policies.passwords, login=name, names=(app.name, "vault_service")
    )
    found, row, known, stored = _found(service, app.tenant, name)
    login, manifest = found.login, found.manifest
    standing = standing_of(service, row, login_indexes=login.indexes, has_decoy=found.has_decoy)
    guesses = tuple(map(code_guesses_of, login.indexes))
    dek = _prove(service, row, stored, code, guesses, known=known, suspended=standing.suspended, app=app.app)
    with service.proved(lambda: guesses):
        demand_newest(service, row.user)
        credential = service.wraps.seal_password(
            dek, request.new_password, epoch=row.credential.epoch + 1,
            login=LoginBinding(row.login_index, row.login_index_gen),
            kdf=service.policies.passwords.argon2id.params(), pepper_gen=manifest.pepper_gen,
        )  # fmt: skip
        return _redeemed(service, app, login, row, stored, credential, standing, guesses)


def _redeemed(
    service: KeyService,
    app: AppKeyRow,
    login: LiveLogin,
    row: UserRow,
    stored: CodeRow | None,
    credential: CredentialRow,
    standing: Standing,
    guesses: tuple[bytes, ...],
) -> CodeRedeemed:
    with service.db.transaction() as conn:
        now = service.now()
        # The credential first, as everybody locks them: else a code made meanwhile would wait for this one.
        won = (
            stored is not None
            and hold_credential(conn, row.user, row.credential.credential)
            and has_login(conn, row.user, row.login_index)  # or the code would be used up for nothing
            and take_code(conn, row.user, stored.code)
            and raise_epoch(conn, row.user, row.credential.credential, credential, now)
        )
        if won:
            standing.cancel(service, conn, now)
            reset_guesses_at(conn, login.indexes, now)
            reset_guesses_at(conn, guesses, now)
        kind = KeysEvent.RECOVERY_CODE_USED if won else _REFUSED
        epoch = credential.epoch if won else row.credential.epoch
        insert_event(conn, kind, now, user=row.user, app=app.app, epoch=epoch)
    if not won:
        raise ConcurrentChangeError
    return CodeRedeemed(row.user, credential.epoch)


def _found(
    service: KeyService, tenant: TenantId, name: str, *, again: bool = True
) -> tuple[Found, UserRow, bool, CodeRow | None]:
    """Who has the login, or what stands in for nobody, and the code; bound to one login index."""
    found = look_up(service, tenant, name)
    row, known = found.row, found.row is not None and found.row.tenant == tenant
    if row is None or not known:
        row = service.noise_user(found.login.current, found.manifest)
    elif not found.login.is_of(row):
        row = replace(service.noise_user(found.login.current, found.manifest), user=row.user)  # see unlock.py
    with service.db.connection() as conn:
        stored = find_code(conn, row.user)
        same = has_login(conn, row.user, row.login_index)
    if known and found.login.is_of(row) and not same and again:
        # A rotation moved the user, and the code may be bound to the new index already.
        return _found(service, tenant, name, again=False)
    return found, row, known, stored


def _demand_enabled(service: KeyService) -> None:
    if not service.policies.recovery.recovery_code.enabled:
        raise RecoveryCodeOffError


def code_guesses_of(login_index: bytes) -> bytes:
    """Under what a login's guesses at the code are counted: 32 bytes that are nobody's login index."""
    return hashlib.sha256(context(b"code-guesses", login_index)).digest()


def _prove(
    service: KeyService,
    row: UserRow,
    stored: CodeRow | None,
    code: bytes,
    guesses: tuple[bytes, ...],
    *,
    known: bool,
    suspended: bool,
    app: AppId,
) -> Dek:
    """Count the guess, then open the DEK with the code; as KeyService.prove does with a password."""
    user = row.user if known else NOBODY
    with service.db.transaction() as conn:
        counted = count_guess_at(conn, guesses, service.policies.limits.guesses, service.now())
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
            give_back_guess_at(conn, guesses, counted, service.now())
        raise
    if suspended or counted.silent:
        service.record(_REFUSED, user=user, app=app, login_index=row.login_index)
        raise LoginRefusedError
    return dek
