"""Change a user's data key: the only rotation that touches records, and the only one that needs a password.

    one DEK ──add──▶ a new one, the older kept under it ──drop──▶ one DEK

- add: as a change of password does, it raises the epoch by one, so that every session ends: none goes on
  that knows the older DEK only, and would write under it. A recovery code ends with the epoch.
- until drop, an unlock hands out the older ones as well. They are kept under the newest one, not under a
  password: a change of password or login and a regain need not know of them.
- drop: the records side has seen that no record is under it. Its wraps go; what a backup holds under it
  opens only with a backup of the keys database of that time.
- another add before a drop is allowed, since a record that does not open may hold a drop up for long.
"""

from vault_service.crypto.dek import Dek
from vault_service.crypto.kept_dek import open_kept, seal_kept
from vault_service.domain.errors import ConcurrentChangeError, IntegrityError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import DekId, UnlockId, UserId, new_uuid
from vault_service.domain.rotation_errors import DataKeyChangeRefusedError
from vault_service.kms.cases.standing import Standing, standing_of
from vault_service.kms.protocol.message_base import Done
from vault_service.kms.protocol.messages import OlderKey
from vault_service.kms.protocol.rotation_messages import (
    AddDataKey,
    DataKeyAdded,
    DataKeysDemanded,
    DemandDataKeys,
    DropDataKey,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.newest import demand_newest
from vault_service.kms.users.one_time import must_change
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.data_keys import KeptDek, demand_data_keys, drop_dek, kept_deks, put_dek
from vault_service.storage.keys.events import insert_event, was_unlocked
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.users import UserRow, find_by_id, find_epoch

MOST_OLDER = 4  # data keys that are kept beside the present one: each is a little work at every request

_REFUSED = KeysEvent.DATA_KEY_CHANGE_REFUSED


def add_data_key(service: KeyService, request: AddDataKey) -> DataKeyAdded:
    """Compare-and-set on the credential: of two at once exactly one wins.

    Raises LoginRefusedError, ThrottledError, DataKeyChangeRefusedError, ConcurrentChangeError,
    IntegrityError.
    """
    user = UserId(request.user_id)
    with service.db.connection() as conn:
        row = find_by_id(conn, user)
    if row is None:
        service.refuse_nobody(user, request.password, refused=_REFUSED)
    standing = standing_of(service, row)
    dek = service.prove(row, request.password, known=True, refused=_REFUSED, suspended=standing.suspended)
    indexes = service.guessed_at(row)
    with service.db.transaction() as conn:
        reset_guesses_at(conn, indexes, service.now())
    demand_newest(service, user)
    try:
        kept = _kept_of(service, row)
    except ConcurrentChangeError:
        service.record(_REFUSED, user=user)
        raise
    if request.demanded and not row.data_key_demanded:
        raise _refused(service, user, "nobody demands it any more")
    if must_change(row, request.password):
        raise _refused(service, user, "a one-time password: choose another one first")
    if len(kept) >= MOST_OLDER:
        raise _refused(service, user, f"records are still under {len(kept)} older data keys")
    with service.integrity(user):
        older = [dek, *(_opened(dek, each) for each in kept)]
    return _added(service, row, request, older, standing)


def _added(
    service: KeyService, row: UserRow, request: AddDataKey, older: list[Dek], standing: Standing
) -> DataKeyAdded:
    manifest = service.manifests.current()
    login, pepper = login_of(row), manifest.pepper_gen
    dek = Dek.generate(row.tenant, row.user, DekId(new_uuid()))
    credential = service.wraps.seal_password(
        dek, request.password, epoch=row.credential.epoch + 1, login=login, pepper_gen=pepper,
        kdf=service.policies.passwords.argon2id.params(),
    )  # fmt: skip
    escrow = service.wraps.seal_escrow(dek, manifest, login=login, pepper_gen=pepper)
    kept = [(each.dek, seal_kept(dek, each)) for each in older]
    try:
        with service.db.transaction() as conn:
            now = service.now()
            won = put_dek(
                conn, row.user, row.credential.credential, dek=dek.dek, dek_check=dek.check_value(),
                escrow=escrow, credential=credential, kept=kept, now=now,
            )  # fmt: skip
            if not won:
                raise ConcurrentChangeError
            standing.cancel(service, conn, now)
            insert_event(conn, KeysEvent.DATA_KEY_ADDED, now, user=row.user, epoch=credential.epoch)
    except ConcurrentChangeError:
        service.record(_REFUSED, user=row.user)
        raise
    return DataKeyAdded(credential.epoch, dek.dek)


def older_keys(service: KeyService, row: UserRow, dek: Dek) -> tuple[OlderKey, ...]:
    """What an unlock hands out besides the present DEK; what does not open is left out, not without an event.

    For most users, who have none: no statement.
    """
    if not row.has_older_dek:
        return ()
    try:
        kept = _kept_of(service, row)
    except ConcurrentChangeError:
        return ()  # this unlock is refused at its end
    opened: list[OlderKey] = []
    for each in kept:
        try:
            with service.integrity(row.user):
                older = _opened(dek, each)
        except IntegrityError:
            continue  # signing in goes on: other records are served
        opened.append(OlderKey(older.dek, older.key))
    return tuple(opened)


def drop_data_key(service: KeyService, request: DropDataKey) -> Done:
    """Give up an older DEK; one that is gone already is so for good, and the answer is the same.

    Raises DataKeyChangeRefusedError for the present DEK, and unless this service unlocked the user for the
    session that asks, since the last change of password or data key.
    """
    user, dek, unlock = UserId(request.user_id), DekId(request.dek_id), UnlockId(request.unlock_id)
    with service.db.transaction() as conn:
        row = find_by_id(conn, user)
        known = row is not None and was_unlocked(conn, user, unlock, row.credential.epoch)
        present = row is not None and row.dek == dek
        if known and not present and drop_dek(conn, user, dek):
            epoch = find_epoch(conn, user)
            insert_event(
                conn, KeysEvent.DATA_KEY_DROPPED, service.now(), user=user, unlock=unlock, epoch=epoch
            )
    if not known:
        raise _refused(service, user, "the session is not one of this user's")
    if present:
        raise _refused(service, user, "it is the user's present data key")
    return Done()


def demand(service: KeyService, request: DemandDataKeys) -> DataKeysDemanded:
    """At their next sign-in; a user whose data key is demanded already is counted too."""
    users = tuple(UserId(each) for each in dict.fromkeys(request.users))
    with service.db.transaction() as conn:
        now = service.now()
        known = set(demand_data_keys(conn, users, now))
        for user in users:
            if user in known:
                insert_event(conn, KeysEvent.DATA_KEY_ROTATION_DEMANDED, now, user=user)
    return DataKeysDemanded(len(known), tuple(user for user in users if user not in known))


def _kept_of(service: KeyService, row: UserRow) -> tuple[KeptDek, ...]:
    """Under the DEK of this row. Raises ConcurrentChangeError when the user has another one by now: what is
    kept under that one does not open, and nobody has altered it."""
    with service.db.connection() as conn:
        kept = kept_deks(conn, row.user)
        if find_epoch(conn, row.user) != row.credential.epoch:
            raise ConcurrentChangeError
    return kept


def _refused(service: KeyService, user: UserId, why: str) -> DataKeyChangeRefusedError:
    """Its event is committed."""
    service.record(_REFUSED, user=user)
    return DataKeyChangeRefusedError(why)


def _opened(dek: Dek, kept: KeptDek) -> Dek:
    """Raises SealBrokenError."""
    return open_kept(dek, kept.dek, kept.kept, kept.dek_check)
