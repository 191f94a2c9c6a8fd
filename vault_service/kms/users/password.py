"""Change a password: the DEK stays, its password wrap is replaced, the epoch rises by one (promise P7)."""

from vault_service.crypto.argon2 import prepare_password
from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import ConcurrentChangeError, WeakPasswordError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId
from vault_service.kms.cases.standing import standing_of
from vault_service.kms.protocol.messages import ChangePassword, EpochIs
from vault_service.kms.service import KeyService
from vault_service.kms.users.newest import demand_newest
from vault_service.kms.users.one_time import may_be_redeemed
from vault_service.kms.wrapping.wraps import LoginBinding
from vault_service.storage.keys.apps import find_names
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.users import find_by_id, find_login, raise_epoch


def change_password(service: KeyService, request: ChangePassword) -> EpochIs:
    """Compare-and-set on the credential: of two changes at once exactly one wins.

    Raises LoginRefusedError, ThrottledError, WeakPasswordError, ConcurrentChangeError, IntegrityError.
    """
    user = UserId(request.user_id)
    if request.one_time:
        service.budgets.spend_keyless()
    manifest = service.manifests.current()
    refused = KeysEvent.PASSWORD_CHANGE_REFUSED
    with service.db.connection() as conn:
        row = find_by_id(conn, user)
        login_row = find_login(conn, user)
    if row is None or login_row is None or (request.one_time and not may_be_redeemed(row, request.current)):
        service.refuse_nobody(user, request.current, refused=refused)
    standing = standing_of(service, row)
    dek = service.prove(row, request.current, known=True, refused=refused, suspended=standing.suspended)
    indexes = service.guessed_at(row)
    with service.db.transaction() as conn:
        reset_guesses_at(conn, indexes, service.now())
    demand_newest(service, user)
    with service.integrity(user):
        name = service.keyring.open_login(row.tenant, user, login_row)
    with service.db.connection() as conn:  # no app key says through which of them it is chosen
        names = ("vault_service", *find_names(conn, row.tenant))
    judge_password(request.new, service.policies.passwords, login=name, names=names)
    if prepare_password(request.new) == prepare_password(request.current):
        raise WeakPasswordError("the new password is the present one")
    epoch = row.credential.epoch + 1
    credential = service.wraps.seal_password(
        dek, request.new, epoch=epoch, login=LoginBinding(row.login_index, row.login_index_gen),
        kdf=service.policies.passwords.argon2id.params(), pepper_gen=manifest.pepper_gen,
    )  # fmt: skip
    with service.db.transaction() as conn:
        now = service.now()
        won = raise_epoch(conn, user, row.credential.credential, credential, now)
        kind = KeysEvent.PASSWORD_CHANGED if won else refused
        insert_event(conn, kind, now, user=user, epoch=epoch if won else row.credential.epoch)
        if won:
            standing.cancel(service, conn, now)
    if not won:
        raise ConcurrentChangeError
    return EpochIs(epoch)
