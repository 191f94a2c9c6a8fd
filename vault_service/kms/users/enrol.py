"""Make a user: a DEK, its password wrap and its escrow wrap, in one transaction.

The caller chooses the user id beforehand, so that a retry after a lost answer finds the same user.
"""

from vault_service.crypto.dek import Dek
from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import IdempotencyConflictError, LoginRefusedError, LoginTakenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import DekId, UserId, new_uuid
from vault_service.domain.login import normalise_login
from vault_service.domain.manifest import Manifest
from vault_service.domain.rotation_errors import ManifestBehindError
from vault_service.domain.tokens import new_one_time_password
from vault_service.kms.cases.standing import standing_of
from vault_service.kms.protocol.messages import Enrol, Enrolled
from vault_service.kms.service import KeyService
from vault_service.kms.users.look_up import look_up
from vault_service.kms.users.newest import demand_newest
from vault_service.kms.wrapping.live_login import LiveLogin
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.apps import AppKeyRow
from vault_service.storage.keys.erased import was_erased
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.logins import demand_only_login, lock_login_name
from vault_service.storage.keys.users import (
    CredentialRow,
    EscrowRow,
    UserRow,
    find_by_id,
    insert_dek,
    insert_user,
    replace_dek,
)


def enrol(service: KeyService, request: Enrol) -> Enrolled:
    """Make the user, or confirm that the same request made it before.

    Raises LoginTakenError, WeakPasswordError, IdempotencyConflictError when the id belongs to
    somebody else, AppKeyRefusedError; UnsealedError while the trail is not sealed.
    """
    service.sealing.demand()
    app = service.app(request.app_key)
    name = normalise_login(request.login)
    if request.password is not None:
        judge_password(
            request.password, service.policies.passwords, login=name, names=(app.name, "vault_service")
        )
    try:
        return _enrol(service, request, app, name)
    except ManifestBehindError:  # there is a newer login index key, since a moment
        service.manifests.look()
        return _enrol(service, request, app, name)


def _enrol(service: KeyService, request: Enrol, app: AppKeyRow, name: str) -> Enrolled:
    user = UserId(request.user_id)
    found = look_up(service, app.tenant, name)
    login, manifest = found.login, found.manifest
    with service.db.connection() as conn:
        existing = find_by_id(conn, user)
        # A late retry must not bring back somebody who was erased since: an id means one person for good.
        erased = existing is None and was_erased(conn, user)
        taken = existing is None and found.row is not None
    if erased:
        service.record(KeysEvent.ENROL_REFUSED, user=user, app=app.app, login_index=login.current.index)
        raise IdempotencyConflictError("the user that this request made was erased")
    if existing is not None:
        return _confirm(service, request, app, existing, login, manifest)
    if taken:
        service.record(KeysEvent.ENROL_REFUSED, app=app.app, login_index=login.current.index)
        raise LoginTakenError
    return _create(service, request, app, user, name, login, manifest)


def _create(
    service: KeyService,
    request: Enrol,
    app: AppKeyRow,
    user: UserId,
    name: str,
    live: LiveLogin,
    manifest: Manifest,
) -> Enrolled:
    login = live.current
    one_time = new_one_time_password() if request.password is None else None
    dek = Dek.generate(app.tenant, user, DekId(new_uuid()))
    pepper = manifest.pepper_gen
    credential = service.wraps.seal_password(
        dek, request.password or one_time or "", epoch=1, login=login, pepper_gen=pepper,
        kdf=service.policies.passwords.argon2id.params(), must_change=one_time is not None,
    )  # fmt: skip
    escrow = service.wraps.seal_escrow(dek, manifest, login=login, pepper_gen=pepper)
    sealed_login = service.keyring.seal_login(
        app.tenant, user, name, index=login.index, index_gen=login.index_gen, pepper_gen=pepper
    )
    try:
        with service.db.transaction() as conn:
            now = service.now()
            lock_login_name(conn, live.indexes)
            inserted = insert_user(
                conn, tenant=app.tenant, user=user, dek=dek.dek, dek_check=dek.check_value(),
                login=sealed_login, credential=credential, escrow=escrow, now=now,
            )  # fmt: skip
            if inserted:
                demand_only_login(conn, login.index, among=live.indexes, gens=live.gens)
                reset_guesses_at(conn, live.indexes, now)  # whatever was tried while nobody had this login
                insert_event(
                    conn, KeysEvent.USER_ENROLLED, now, user=user, app=app.app, epoch=1,
                    login_index=login.index,
                )  # fmt: skip
    except LoginTakenError:  # by somebody who is on another generation; all is taken back
        inserted = False
    if not inserted:
        with service.db.connection() as conn:
            twin = find_by_id(conn, user)
        if twin is not None:  # the same request at the same time, and it was faster
            return _confirm(service, request, app, twin, live, manifest)
        service.record(KeysEvent.ENROL_REFUSED, app=app.app, login_index=login.index)
        raise LoginTakenError
    return Enrolled(app.tenant, app.app, app.name, epoch=1, one_time_password=one_time)


def _confirm(
    service: KeyService,
    request: Enrol,
    app: AppKeyRow,
    row: UserRow,
    login: LiveLogin,
    manifest: Manifest,
) -> Enrolled:
    """A retry: the password handed in must open what the first request made."""
    if row.tenant != app.tenant or not login.is_of(row):
        service.record(KeysEvent.ENROL_REFUSED, user=row.user, app=app.app, login_index=login.current.index)
        raise IdempotencyConflictError
    if request.password is None:
        return _reissue(service, app, row, manifest)
    try:
        service.prove(
            row, request.password, known=True, refused=KeysEvent.ENROL_REFUSED,
            suspended=standing_of(service, row).suspended, app=app.app, login=login,
        )  # fmt: skip
    except LoginRefusedError:
        raise IdempotencyConflictError from None
    with service.db.transaction() as conn:
        reset_guesses_at(conn, login.indexes, service.now())
    return Enrolled(app.tenant, app.app, app.name, epoch=row.credential.epoch)


def _reissue(service: KeyService, app: AppKeyRow, row: UserRow, manifest: Manifest) -> Enrolled:
    """A new one-time password for somebody who never used the first one.

    Nobody knows the old one, so the DEK that it wraps is given up for a new one: there is no data
    under it yet, since nothing ever opened it.
    """
    if not row.credential.must_change or row.credential_used:
        service.record(KeysEvent.ENROL_REFUSED, user=row.user, app=app.app, login_index=row.login_index)
        raise LoginTakenError
    try:
        demand_newest(service, row.user)
    except LoginRefusedError:
        raise LoginTakenError from None
    one_time = new_one_time_password()
    epoch = row.credential.epoch + 1
    dek = Dek.generate(row.tenant, row.user, DekId(new_uuid()))
    pepper, login = manifest.pepper_gen, login_of(row)  # not the current index, if the row is on an older one
    credential = service.wraps.seal_password(
        dek, one_time, epoch=epoch, login=login, pepper_gen=pepper, must_change=True,
        kdf=service.policies.passwords.argon2id.params(),
    )  # fmt: skip
    escrow = service.wraps.seal_escrow(dek, manifest, login=login, pepper_gen=pepper)
    try:
        _give_up_dek(service, app, row, dek, credential, escrow)
    except LoginTakenError:
        service.record(KeysEvent.ENROL_REFUSED, user=row.user, app=app.app, login_index=login.index)
        raise
    return Enrolled(app.tenant, app.app, app.name, epoch=epoch, one_time_password=one_time)


def _give_up_dek(
    service: KeyService, app: AppKeyRow, row: UserRow, dek: Dek, credential: CredentialRow, escrow: EscrowRow
) -> None:
    """All of it or, when the credential was used, changed or reissued meanwhile, nothing."""
    indexes = service.guessed_at(row)
    with service.db.transaction() as conn:
        now = service.now()
        insert_dek(conn, row.user, dek.dek, dek.check_value(), escrow, now)
        if not replace_dek(conn, row.user, row.credential.credential, old=row.dek, new=dek.dek,
                           credential=credential, now=now):  # fmt: skip
            raise LoginTakenError
        insert_event(
            conn, KeysEvent.ONE_TIME_PASSWORD_REISSUED, now, user=row.user, app=app.app,
            epoch=credential.epoch,
        )  # fmt: skip
        reset_guesses_at(conn, indexes, now)
