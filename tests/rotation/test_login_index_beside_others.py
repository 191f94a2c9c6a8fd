"""Two who rewrite the same user's wraps at once: one of them loses, and everything opens."""

from collections.abc import Callable, Iterator
from typing import LiteralString

import pytest

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, as_superuser, events_of
from tests.rotation.test_login_moved_meanwhile import with_a_step
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Enrol, Enrolled, Unlock, Unlocked
from vault_service.kms.protocol.recovery_messages import BeginRecovery, CreateRecoveryCode, RecoveryCodeIs
from vault_service.kms.protocol.rotation_messages import VerifyWraps, WrapsVerified
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.rotation.rewrap_login_index import rewrap_login_index
from vault_service.kms.rotation.rewrap_pepper import rewrap_pepper
from vault_service.kms.rotation.rewrapped import Rewrapped
from vault_service.kms.service import KeyService
from vault_service.kms.users.login_change import change_login
from vault_service.storage.keys.peppered import HIGHEST


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


Rewrap = Callable[[KeyService], Rewrapped]


def moved(service: KeyService) -> Rewrapped:
    return rewrap_login_index(service, NOBODY, HIGHEST, 500)


def peppered(service: KeyService) -> Rewrapped:
    return rewrap_pepper(service, NOBODY, HIGHEST, 500)


def written(service: KeyService, page: Rewrapped) -> int:
    with service.db.transaction() as conn:
        return page.write(conn)


def all_open(worker: Worker) -> bool:
    return worker.kms.call(VerifyWraps(NOBODY, limit=2000), WrapsVerified).failed == ()


@pytest.mark.parametrize(("first", "last"), [(moved, peppered), (peppered, moved), (moved, moved)])
def test_of_two_rotations_that_read_the_same_wraps_the_later_leaves_them(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker,
    first: Rewrap, last: Rewrap,
) -> None:  # fmt: skip
    person, asking = enrol(turned, api), enrol(turned, api)
    api.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs)
    file = open_regain(turned, second, asking)
    operator.next("pepper")
    a_new_index(operator, second)
    late, early = last(second), first(second)
    assert early.wraps >= 8

    assert written(second, early) == early.wraps
    assert written(second, late) == 0

    assert all_open(worker)
    assert moved(second).failures == peppered(second).failures == ()
    written(second, last(second))
    assert all_open(worker)
    file.approve("ana", "bob")
    regain(file)
    assert person.opens_with(person.password)


def test_nobody_waits_for_whoever_is_signing_in(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """Somebody whose credential is locked is passed by; the others of the page move."""
    held, free = enrol(turned, api), enrol(turned, api)
    a_new_index(operator, second)
    with turned.keys.superuser() as conn, conn.transaction():
        conn.execute("SELECT 1 FROM credentials WHERE user_id = %(u)s FOR SHARE", {"u": held.user})
        page = moved(second)
        assert 0 < written(second, page) == page.wraps - 3
    gen = second.manifests.current().login_index_gen
    assert operator.census("login-index", gen - 1)["users"] == 1
    assert rotate(second, worker).rewrapped == 3
    assert held.opens_with(held.password)
    assert free.opens_with(free.password)


@pytest.mark.parametrize("table", ["users", "recovery_codes", "escrow_wraps", "regain_keys"])
def test_nobody_waits_for_whoever_has_one_row_only(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, table: str
) -> None:
    """Somebody of whom any wrap is locked is passed by whole."""
    held, free = enrol(turned, api), enrol(turned, api)
    api.call(CreateRecoveryCode(held.user, held.password), RecoveryCodeIs)
    begun = BeginRecovery(turned.app_key, new_uuid(), held.login, NEW_PASSWORD)
    begin_recovery(second, begun)
    a_new_index(operator, second)
    column, row = ("case_id", begun.case_id) if table == "regain_keys" else ("user_id", held.user)
    with turned.keys.superuser() as conn, conn.transaction():
        statement = f"SELECT 1 FROM {table} WHERE {column} = %(row)s FOR UPDATE"  # constants
        conn.execute(statement.encode(), {"row": row})
        written(second, moved(second))
        found = conn.execute(
            "SELECT user_id FROM users WHERE login_index_gen = %(g)s",
            {"g": second.manifests.current().login_index_gen},
        )
        on_the_new_index = {row[0] for row in found}
    assert free.user in on_the_new_index
    assert held.user not in on_the_new_index

    rotate(second, worker)
    assert held.opens_with(held.password)
    assert all_open(worker)


def test_a_wrap_that_came_or_went_since_leaves_its_user_where_they_are(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """A code or a case that the page does not know of would stay bound to the old index for good."""
    coder, asking = enrol(turned, api), enrol(turned, api)
    a_new_index(operator, second)
    page = moved(second)
    api.call(CreateRecoveryCode(coder.user, coder.password), RecoveryCodeIs)
    open_regain(turned, second, asking)

    written(second, page)

    gen = second.manifests.current().login_index_gen
    assert operator.census("login-index", gen - 1)["users"] == 2
    assert rotate(second, worker).failed == 0
    assert all_open(worker)


def test_a_one_time_password_is_made_anew_for_somebody_who_is_not_moved_yet(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    user, login = UserId(new_uuid()), f"invited-{new_uuid().hex}@example.org"
    invite = Enrol(turned.app_key, user, login, None)
    api.call(invite, Enrolled)
    a_new_index(operator, second)

    again = api.call(invite, Enrolled).one_time_password

    assert again is not None
    assert all_open(worker)
    rotate(second, worker)
    assert Person(turned, api, user, login, again).unlock().must_change
    api.call(Unlock(turned.app_key, login, again), Unlocked)


def test_a_login_is_not_changed_under_an_escrow_wrap_that_was_replaced_meanwhile(
    turned: Vault, api: KmsClient, second: KeyService
) -> None:
    """Else the new wrap would stay bound to the login of before, and no recovery would open it."""
    person = enrol(turned, api)

    def replace_wrap() -> None:
        for table in ("escrow_wraps", "deks"):
            as_superuser(turned, ESCROW[table], u=person.user)

    service, _ = with_a_step(second, 2, replace_wrap)  # once for the guess, once in the transaction
    with pytest.raises(ConcurrentChangeError):
        change_login(service, ChangeLogin(person.user, person.password, "elsewhere@example.org"))

    assert person.opens_with(person.password)
    assert events_of(turned, person.user)[-2:] == [KeysEvent.LOGIN_CHANGE_REFUSED, KeysEvent.UNLOCKED]


ESCROW: dict[str, LiteralString] = {
    "escrow_wraps": "UPDATE escrow_wraps SET escrow_gen = 2 WHERE user_id = %(u)s",
    "deks": "UPDATE deks SET escrow_gen = 2 WHERE user_id = %(u)s",
}
"""As an escrow rotation does it."""
