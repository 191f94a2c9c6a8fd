"""Change a login: all outer layers are made anew, the inner wraps, the epoch and the records stay.

A recovery code goes on too: whoever wrote it down would learn in the worst moment that it had ended.
"""

from vault_service.domain.errors import ConcurrentChangeError, LoginTakenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import DekId, UserId
from vault_service.domain.login import normalise_login
from vault_service.domain.manifest import Manifest
from vault_service.kms.cases.standing import Standing, standing_of
from vault_service.kms.protocol.messages import ChangeLogin, Done
from vault_service.kms.service import KeyService
from vault_service.kms.users.kept_escrow import put_kept, rebind_kept
from vault_service.kms.wrapping.code_wrap import rebind_code
from vault_service.kms.wrapping.credentials import rebind_credential
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.logins import has_login, lock_login_name, replace_login
from vault_service.storage.keys.recovery_codes import CodeRow, find_code
from vault_service.storage.keys.users import EscrowRow, UserRow, find_by_id, find_escrow
from vault_service.storage.pool import Conn


def change_login(service: KeyService, request: ChangeLogin) -> Done:
    """Move a user to another login.

    Raises LoginTakenError, LoginRefusedError, ThrottledError, ConcurrentChangeError, IntegrityError.
    """
    user = UserId(request.user_id)
    manifest = service.manifests.fresh()  # an escrow key that is new is no tampering
    name = normalise_login(request.new_login)
    with service.db.connection() as conn:
        row, escrow, code = _found(conn, user)
    refused = KeysEvent.LOGIN_CHANGE_REFUSED
    if row is None or escrow is None:
        service.refuse_nobody(user, request.password, refused=refused)
    standing = standing_of(service, row)
    service.prove(row, request.password, known=True, refused=refused, suspended=standing.suspended)
    with service.proved(lambda: service.guessed_at(row)):
        return _moved(service, name, manifest, row, escrow, code, standing)


def _moved(
    service: KeyService,
    name: str,
    manifest: Manifest,
    row: UserRow,
    escrow: EscrowRow,
    code: CodeRow | None,
    standing: Standing,
) -> Done:
    user, refused = row.user, KeysEvent.LOGIN_CHANGE_REFUSED
    live = service.live_login(row.tenant, name, manifest)
    login, guessed_at = live.current, service.guessed_at(row)
    if row.login_index in live.indexes:
        with service.db.transaction() as conn:
            reset_guesses_at(conn, live.indexes, service.now())
        return Done()
    pepper = manifest.pepper_gen
    sealed_login = service.keyring.seal_login(
        row.tenant, user, name, index=login.index, index_gen=login.index_gen, pepper_gen=pepper
    )
    with service.integrity(user):
        credential = rebind_credential(service.wraps, row, login=login, pepper_gen=pepper)
        new_escrow = service.wraps.rebind_escrow(row, escrow, manifest, login=login, pepper_gen=pepper)
        new_code = code and rebind_code(service.keyring, row, code, login=login, pepper_gen=pepper)
    try:
        with service.integrity(user):
            kept = rebind_kept(service, row, manifest, login=login)
        with service.db.transaction() as conn:
            now = service.now()
            lock_login_name(conn, live.indexes)
            moved = replace_login(
                conn, user, row.credential.credential, old_index=row.login_index, login=sealed_login,
                credential=credential, dek=row.dek, escrow=new_escrow, code=code, new_code=new_code,
                among=live.indexes, gens=live.gens, now=now,
            )  # fmt: skip
            reset_guesses_at(conn, guessed_at, now)
            if moved:
                put_kept(conn, row, kept)
                reset_guesses_at(conn, live.indexes, now)  # whatever was tried while nobody had this login
                standing.cancel(service, conn, now)
            kind = KeysEvent.LOGIN_CHANGED if moved else refused
            insert_event(conn, kind, now, user=user, epoch=row.credential.epoch, login_index=login.index)
    except (LoginTakenError, ConcurrentChangeError):
        # By somebody who is on another generation, or a wrap is another one by now; all was taken back.
        service.record(refused, user=user, login_index=login.index)
        raise
    if moved is None:
        raise ConcurrentChangeError
    if not moved:
        raise LoginTakenError
    return Done()


def _found(
    conn: Conn, user: UserId, *, again: bool = True
) -> tuple[UserRow | None, EscrowRow | None, CodeRow | None]:
    """Bound to one login index: read again if a rotation moved the user between the statements."""
    row = find_by_id(conn, user)
    escrow = find_escrow(conn, user, row.dek if row else DekId(user))  # for equal work
    code = find_code(conn, user)
    same = has_login(conn, user, row.login_index if row else b"")
    if again and row is not None and not same:
        return _found(conn, user, again=False)
    return row, escrow, code
