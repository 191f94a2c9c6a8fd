"""Two who rewrite the same user's wraps at once: one of them loses, and everything opens."""

from collections.abc import Callable, Iterator

import pytest

from tests.kms.casework import open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker
from vault_service.domain.ids import NOBODY, UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.messages import Enrol, Enrolled, Unlock, Unlocked
from vault_service.kms.recovery_messages import CreateRecoveryCode, RecoveryCodeIs
from vault_service.kms.rewrap_login_index import rewrap_login_index
from vault_service.kms.rewrap_pepper import rewrap_pepper
from vault_service.kms.rewrapped import Rewrapped
from vault_service.kms.rotation_messages import VerifyWraps, WrapsVerified
from vault_service.kms.service import KeyService
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
