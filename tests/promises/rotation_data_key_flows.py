"""The flows of a changed data key, and its calls of the key service; see flows.py and every_call.py."""

import contextlib
from collections.abc import Callable
from uuid import UUID

from tests.promises.every_call import Called
from tests.promises.every_call import Somebody as Asker
from tests.promises.flows import Act, Flow, Life, Somebody, flow
from tests.rig.vault import PASSWORD
from vault_service.bootstrap.connections import kms_client
from vault_service.client import LoginRefusedError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.kms.protocol.messages import Unlock, Unlocked
from vault_service.kms.protocol.rotation_messages import (
    AddDataKey,
    DataKeyAdded,
    DataKeysDemanded,
    DemandDataKeys,
    DropDataKey,
)
from vault_service.settings import KmsClient as KmsClientSettings

_WRONG = "not the password at all"


def _with(
    act: Callable[[Somebody], object], prepare: Callable[[Somebody], object] = lambda _: None
) -> Callable[[Life], Act]:
    def begin(life: Life) -> Act:
        who = life.somebody()
        prepare(who)
        return lambda: act(who)

    return begin


def _demand(who: Somebody) -> None:
    who.life.operator.call(DemandDataKeys((who.user,)), DataKeysDemanded)


DATA_KEY_FLOWS: dict[str, Flow] = {
    "a change of data key": flow(
        _with(lambda who: who.session.change_data_key(PASSWORD)), K.DATA_KEY_ADDED, R.DATA_KEY_CHANGED
    ),
    "a change of data key with a wrong password": flow(
        _with(lambda who: who.session.change_data_key(_WRONG)), K.DATA_KEY_CHANGE_REFUSED,
        refused=LoginRefusedError,
    ),
    "signing in after a change of data key": flow(
        _with(lambda who: who.sign_in(), lambda who: who.session.change_data_key(PASSWORD)),
        K.UNLOCKED, K.DATA_KEY_DROPPED, R.SESSION_OPENED, R.RECORDS_REENCRYPTED,
    ),
    "demanding a new data key": flow(_with(_demand), K.DATA_KEY_ROTATION_DEMANDED),
    "signing in when a new data key is demanded": flow(
        _with(lambda who: who.sign_in(), _demand),
        K.UNLOCKED, K.DATA_KEY_ADDED, K.DATA_KEY_DROPPED,
        R.DATA_KEY_CHANGED, R.SESSION_OPENED, R.RECORDS_REENCRYPTED,
    ),
}  # fmt: skip

_changed: dict[str, DropDataKey] = {}


def _change(who: Asker) -> None:
    """So that there is an older key to drop."""
    user, unlock = UUID(who.user), Unlock(who.app_key, who.login, PASSWORD)
    with contextlib.closing(kms_client(KmsClientSettings(url=who.vault.socket("api")))) as kms:
        kms.call(AddDataKey(user, PASSWORD), DataKeyAdded)
        opened = kms.call(unlock, Unlocked)
    _changed[who.user] = DropDataKey(user, opened.older[0].dek_id, opened.unlock_id)


DATA_KEY_CALLS: dict[str, Called] = {
    "add_data_key": Called("api", lambda who: AddDataKey(UUID(who.user), PASSWORD)),
    "drop_data_key": Called("api", lambda who: _changed[who.user], _change),
    "demand_data_keys": Called("operator", lambda who: DemandDataKeys((UUID(who.user),))),
}
