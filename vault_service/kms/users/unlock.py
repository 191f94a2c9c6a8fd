"""Open a user's DEK with login and password: what signing in is made of."""

from dataclasses import replace

from vault_service.crypto.dek import Dek
from vault_service.domain.errors import LoginRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UnlockId, new_uuid
from vault_service.domain.login import normalise_login
from vault_service.kms.cases.standing import Standing, standing_of
from vault_service.kms.protocol.messages import Unlock, Unlocked
from vault_service.kms.service import KeyService
from vault_service.kms.users.data_keys import older_keys
from vault_service.kms.users.look_up import look_up
from vault_service.kms.users.one_time import must_change
from vault_service.kms.users.raise_cost import raise_cost
from vault_service.kms.wrapping.live_login import LiveLogin
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.apps import AppKeyRow
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.users import (
    UserRow,
    find_by_id,
    is_current,
    mark_used,
    replace_credential,
)


def unlock(service: KeyService, request: Unlock) -> Unlocked:
    """One Argon2 and two token calls, whether or not there is such a login; one more for each further
    generation of the login index key.

    Raises LoginRefusedError, ThrottledError, AppKeyRefusedError; UnsealedError while the trail is not
    sealed.
    """
    service.sealing.demand()
    app = service.app(request.app_key)
    found = look_up(service, app.tenant, normalise_login(request.login))
    row, login, manifest = found.row, found.login, found.manifest
    known = row is not None and row.tenant == app.tenant
    if row is None or not known:
        row = service.noise_user(login.current, manifest)
    elif not login.is_of(row):
        # A login row that was made to lead to somebody else must not open that person's wrap, not
        # even with that person's password.
        row = replace(service.noise_user(login.current, manifest), user=row.user)
    standing = standing_of(service, row, login_indexes=login.indexes, has_decoy=found.has_decoy)
    dek = service.prove(
        row, request.password, known=known, refused=KeysEvent.UNLOCK_REFUSED,
        suspended=standing.suspended, app=app.app, login=login,
    )  # fmt: skip
    with service.proved(lambda: login.indexes):
        return _opened(service, app, login, row, dek, request.password, standing)


def _opened(
    service: KeyService,
    app: AppKeyRow,
    login: LiveLogin,
    row: UserRow,
    dek: Dek,
    password: str,
    standing: Standing,
) -> Unlocked:
    if row.credential.regain is not None:
        row = _with_password_wrap(service, row, dek, password)
    older = older_keys(service, row, dek)
    unlock_id = UnlockId(new_uuid())
    with service.db.transaction() as conn:
        now = service.now()
        confirm = is_current if row.credential_used else mark_used
        current = confirm(conn, row.user, row.credential.credential, now)
        if current:
            reset_guesses_at(conn, login.indexes, now)
            standing.cancel(service, conn, now)
        insert_event(
            conn, KeysEvent.UNLOCKED if current else KeysEvent.UNLOCK_REFUSED, now, user=row.user,
            app=app.app, unlock=unlock_id if current else None, epoch=row.credential.epoch,
        )  # fmt: skip
    if not current:
        raise LoginRefusedError  # changed or erased while this was under way
    raise_cost(service, row, dek, password)
    must = must_change(row, password)
    return Unlocked(
        tenant_id=row.tenant, user_id=row.user, dek_id=row.dek, dek=dek.key, epoch=row.credential.epoch,
        unlock_id=unlock_id, app_id=app.app, app_name=app.name, must_change=must,
        older=older, change_data_key=row.data_key_demanded and not must,
    )  # fmt: skip


def _with_password_wrap(service: KeyService, row: UserRow, dek: Dek, password: str) -> UserRow:
    """The first login after a regain: an ordinary password wrap in its place, at the same epoch.

    Of several first logins at once one replaces it; the others go on with what that one left, unless it
    is of another epoch: then the password was changed meanwhile, and the last look at it will tell.
    """
    manifest = service.manifests.current()
    credential = service.wraps.seal_password(
        dek, password, epoch=row.credential.epoch, login=login_of(row),
        kdf=service.policies.passwords.argon2id.params(), pepper_gen=manifest.pepper_gen,
    )  # fmt: skip
    with service.db.transaction() as conn:
        now = service.now()
        replaced = replace_credential(conn, row.user, row.credential.credential, credential, now)
        if replaced:
            insert_event(conn, KeysEvent.REGAIN_COMPLETED, now, user=row.user, epoch=credential.epoch)
    if replaced:
        return replace(row, credential=credential, credential_used=False)
    with service.db.connection() as conn:
        left = find_by_id(conn, row.user)
    same = left is not None and (left.dek, left.credential.epoch) == (row.dek, row.credential.epoch)
    return left if left is not None and same else row
