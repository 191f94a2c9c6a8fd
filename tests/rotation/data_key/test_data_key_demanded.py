"""An operator demands a new data key of somebody: it is changed while the password is at hand."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rig.put_back import backup_of
from tests.rig.vault import PASSWORD
from tests.rotation.data_keys import NEW_PASSWORD, Api, Owner
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import LoginRefusedError, SessionRefusedError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.events import RecordsEvent as R
from vault_service.kms.protocol.rotation_messages import DataKeysDemanded, DemandDataKeys
from vault_service.settings import KmsClient as KmsClientSettings


def demand(*owners: Owner) -> None:
    settings = KmsClientSettings(url=owners[0].api.vault.socket("operator"))
    with contextlib.closing(kms_client(settings)) as operator:
        answer = operator.call(DemandDataKeys(tuple(owner.user for owner in owners)), DataKeysDemanded)
    assert answer.demanded == len(owners)


def test_the_next_sign_in_changes_the_key_and_ends_every_other_session(api: Api) -> None:
    owner = api.somebody(records=4)
    old = owner.session(owner.token).dek
    demand(owner)
    assert owner.names(owner.token) == owner.all_names(), "until then nothing changes"

    token = owner.sign_in()

    with pytest.raises(SessionRefusedError):
        owner.session(owner.token)
    keys = owner.session(token).keys
    assert [key.dek for key in keys.older] == [old.dek]
    assert owner.under() == {old.dek: 1, keys.current.dek: 3}
    assert owner.names(token) == owner.all_names()
    again = owner.sign_in()
    assert owner.session(again).keys.every == (keys.current,), "once, and the rest followed"
    assert owner.session(token).dek == keys.current


def test_a_wrong_password_meets_no_demand(api: Api) -> None:
    owner = api.somebody(records=1)
    demand(owner)
    with pytest.raises(LoginRefusedError):
        owner.sign_in(NEW_PASSWORD)
    assert owner.deks() == 1
    assert owner.names(owner.token) == owner.all_names()


def test_of_sign_ins_at_once_one_meets_the_demand_and_all_get_in(api: Api) -> None:
    owner = api.somebody(records=2)
    demand(owner)
    together = threading.Barrier(3)

    def sign_in() -> object:
        together.wait()
        return owner.sign_in()

    with ThreadPoolExecutor(3) as pool:
        for each in [pool.submit(sign_in) for _ in range(3)]:
            each.result()

    assert owner.keys_events().count(K.DATA_KEY_ADDED) == 1
    assert owner.names(owner.sign_in()) == owner.all_names()


def test_where_the_change_is_refused_signing_in_goes_on_and_the_demand_stands(api: Api) -> None:
    patient = api.rule(at_sign_in=0)
    owner = patient.somebody()
    token = owner.token
    for n in range(4):  # as many older keys as are kept, each with a record
        patient.contact(token, n)
        owner.change(token)
        token = owner.sign_in()
    demand(owner)

    token = owner.sign_in()

    assert len(owner.session(token).keys.older) == 4
    assert owner.records("SELECT FROM intents WHERE user_id = %(user)s") == []
    assert api.accounts.continue_data_key(token).remaining == 0
    assert len(owner.session(owner.sign_in()).keys.older) in (0, 1), "changed now"
    assert owner.keys_events().count(K.DATA_KEY_ADDED) == 5


def test_an_old_password_that_was_put_back_climbs_to_no_session_by_a_demand(api: Api) -> None:
    """A superuser of the keys database who knows one: each change of the key would raise its epoch by one."""
    owner = api.somebody(records=1)
    put_back = backup_of(api.vault.keys, owner.user)
    api.accounts.change_password(owner.token, PASSWORD, NEW_PASSWORD)
    put_back()

    for _ in range(2):
        owner.keys("INSERT INTO data_key_demands VALUES (%(user)s, now()) ON CONFLICT DO NOTHING")
        with pytest.raises(LoginRefusedError):
            owner.sign_in(PASSWORD)

    assert owner.records_events()[-1][0] is R.SESSION_REFUSED
    assert owner.keys_events()[-2:] == [K.UNLOCKED, K.UNLOCKED], "the key service was not even asked"
    assert owner.deks() == 1
