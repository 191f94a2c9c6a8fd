"""Every user gets to a new login index with all of theirs, or not at all; everything opens as before."""

from collections.abc import Iterator

import pytest

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import MOVED, a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, as_superuser, events_of, move_everybody_out, rows
from vault_service.domain.errors import LoginTakenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Enrol, Enrolled
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryBegun,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService


@pytest.fixture(scope="module")
def turned(turned_by_many: Vault) -> Vault:
    return turned_by_many


@pytest.fixture(autouse=True)
def by_themselves(turned: Vault) -> Iterator[None]:
    """Nobody lives there before a test, nor after it."""
    move_everybody_out(turned)
    yield
    move_everybody_out(turned)


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


def test_everybody_moves_and_opens_as_before(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    plain, coded, regained, asking = (enrol(turned, api) for _ in range(4))
    code = api.call(CreateRecoveryCode(coded.user, coded.password), RecoveryCodeIs).code
    file = open_regain(turned, second, regained)
    file.approve("ana", "bob")
    regain(file)
    waiting = open_regain(turned, second, asking)
    api.call(BeginRecovery(turned.app_key, new_uuid(), "nobody@example.org", NEW_PASSWORD), RecoveryBegun)
    before = rows(turned, without=MOVED)
    gen = a_new_index(operator, second)

    done = rotate(second, worker)

    assert (done.looked_at, done.rewrapped, done.lost, done.failed) == (4, 4 * 3 + 1 + 1 + 1, 0, 0)
    left = operator.census("login-index", gen - 1)
    assert not {"logins", "users"} & left.keys(), left
    assert operator.census("login-index", gen)["users"] == 4
    after = rows(turned, without=MOVED)
    changed = [
        table for table, found in after.items() if sorted(map(str, found)) != sorted(map(str, before[table]))
    ]
    assert changed == []
    assert plain.opens_with(plain.password)
    assert regained.opens_with(NEW_PASSWORD)
    api.call(
        RedeemRecoveryCode(turned.app_key, coded.login, code, "a third password of two mills"), CodeRedeemed
    )
    waiting.approve("ana", "bob")
    regain(waiting)
    assert asking.unlock(NEW_PASSWORD).dek == waiting.dek
    moved = f"moved-{new_uuid().hex}@example.org"
    api.call(ChangeLogin(plain.user, plain.password, moved), Done)  # opens sealed login and escrow wrap
    assert Person(turned, api, plain.user, moved, plain.password).opens_with(plain.password)


def test_a_range_that_is_done_again_changes_nothing(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    enrol(turned, api)
    a_new_index(operator, second)
    rotate(second, worker)
    before = rows(turned)

    again = rotate(second, worker)

    assert (again.rewrapped, again.lost, again.failed) == (0, 0, 0)
    assert rows(turned) == before


def row_of(vault: Vault, person: Person) -> list[object]:
    """As it stands in `users`."""
    return [row for row in rows(vault)["users"] if f"{person.user!r}" in str(row)]


BROKEN = {
    "password": "UPDATE credentials SET wrap = overlay(wrap PLACING '\\x00' FROM 60) WHERE user_id = %(u)s",
    "escrow": "UPDATE escrow_wraps SET wrap = overlay(wrap PLACING '\\x00' FROM 60) WHERE user_id = %(u)s",
    "login-name": "UPDATE users SET sealed_login = sealed_login || '\\x00' WHERE user_id = %(u)s",
}


@pytest.mark.parametrize("wrap", BROKEN)
def test_who_has_a_wrap_that_does_not_open_stays_as_they_are_and_is_told_once(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, wrap: str
) -> None:
    """Under the new index it could not even be put right from a backup."""
    a_new_index(operator, second)
    rotate(second, worker)
    one, broken, other = (enrol(turned, api) for _ in range(3))
    a_new_index(operator, second)
    as_superuser(turned, BROKEN[wrap], u=broken.user)
    before = row_of(turned, broken)

    done = rotate(second, worker)

    assert done.failed == 1
    assert row_of(turned, broken) == before
    assert events_of(turned, broken.user).count(KeysEvent.WRAP_INTEGRITY_FAILED) == 1
    assert one.opens_with(one.password)
    assert other.opens_with(other.password)


def test_a_login_that_was_led_to_somebody_else_is_not_put_right_in_silence(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    victim, eve = enrol(turned, api), enrol(turned, api)
    a_new_index(operator, second)
    as_superuser(turned, "UPDATE logins SET user_id = %(e)s WHERE user_id = %(v)s", e=eve.user, v=victim.user)

    assert rotate(second, worker).failed == 1

    assert KeysEvent.WRAP_INTEGRITY_FAILED in events_of(turned, victim.user)
    assert not victim.opens_with(victim.password)
    assert not Person(turned, api, eve.user, victim.login, eve.password).opens_with(eve.password)
    with pytest.raises(LoginTakenError):
        api.call(Enrol(turned.app_key, new_uuid(), victim.login, victim.password), Enrolled)
