"""A key that nothing needs is lost; a key becomes current while a rotation begins."""

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import as_superuser, waits_for_a_lock
from tests.rotation.test_login_moved_meanwhile import with_a_step
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import DekId
from vault_service.domain.rotation_errors import ManifestBehindError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import (
    AddDataKey,
    DataKeyAdded,
    FinishRotation,
    StartRotation,
)
from vault_service.kms.rotation.rotations import finish_rotation, start_rotation
from vault_service.kms.service import KeyService
from vault_service.storage.keys.data_keys import drop_dek


def signs_up(vault: Vault, kms: KmsClient) -> bool:
    try:
        enrol(vault, kms)
    except ManifestBehindError:
        return False
    return True


def test_a_prepared_login_index_key_that_is_lost_keeps_nobody_from_signing_in(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """As after the token was restored from a copy of before."""
    person = enrol(turned, api)
    gen = operator.create("login-index").gen
    second.keyring.token.destroy_key(f"login/{gen}")

    assert person.opens_with(person.password)
    assert not person.opens_with("a wrong but long enough password")
    with pytest.raises(ManifestBehindError):  # whether the login is taken under that one cannot be told here
        enrol(turned, api)

    operator.retire("login-index", gen)
    turned.wait_for(lambda: signs_up(turned, api), turned.running["kms"])


def test_a_rotation_that_begins_while_a_key_becomes_current_is_to_that_one(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """Else it would end with wraps on the key of before, which it takes for the current one."""
    enrol(turned, api)
    operator.next("pepper")
    third = operator.create("pepper").gen

    def switch() -> None:
        with contextlib.suppress(VaultError):
            operator.make_current("pepper", third)

    service, _ = with_a_step(second, 1, switch)
    begun = start_rotation(service, StartRotation("pepper")).rotation

    current = next(gen for gen, state in operator.states("pepper") if state == "current")
    assert begun.to_gen == current


def test_a_rotation_does_not_end_early_because_its_row_says_that_it_is_to_an_older_key(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """As a superuser may write it: nothing is on a key before the first one."""
    enrol(turned, api)
    before = next(gen for gen, state in operator.states("login-index") if state == "current")
    operator.next("login-index")
    rotation = start_rotation(second, StartRotation("login-index")).rotation.rotation_id
    as_superuser(turned, "UPDATE rotations SET to_gen = 1 WHERE rotation_id = %(r)s", r=rotation)

    assert finish_rotation(second, FinishRotation(rotation)).rotation.state == "running"
    assert operator.census("login-index", before)


def test_whoever_drops_a_data_key_takes_locks_in_the_order_of_a_ceremony(
    turned: Vault, api: KmsClient, second: KeyService
) -> None:
    """Who rewraps an escrow wrap locks that one, then its data key's row: the other way round both wait."""
    person = enrol(turned, api)
    old = person.unlock().dek_id
    api.call(AddDataKey(person.user, person.password), DataKeyAdded)
    who = {"u": person.user, "d": old}
    with ThreadPoolExecutor(1) as thread, turned.keys.superuser() as conn, conn.transaction():
        conn.execute("SELECT 1 FROM escrow_wraps WHERE user_id = %(u)s AND dek_id = %(d)s FOR UPDATE", who)

        def drop() -> bool:
            with second.db.transaction() as own:
                return drop_dek(own, person.user, DekId(old))

        dropped = thread.submit(drop)
        waits_for_a_lock(turned)
        conn.execute("SELECT 1 FROM deks WHERE user_id = %(u)s AND dek_id = %(d)s FOR UPDATE NOWAIT", who)
        conn.execute("ROLLBACK")
        assert dropped.result(110)
