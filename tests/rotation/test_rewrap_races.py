"""A rewrap beside somebody who changes the same wraps: each wins or loses whole, and nothing is left."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.kms.casework import NEW_PASSWORD, open_regain
from tests.rig.people import enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker, begin, end, everything_opens, waits_for_a_lock
from tests.rotation.rivals import (
    RIVALS,
    THIRD_PASSWORD,
    Prepare,
    makes_a_code,
    signs_in_after_a_regain,
)
from vault_service.domain.ids import NOBODY
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Done, Erase
from vault_service.kms.rotation.rewrap import PAGE
from vault_service.kms.rotation.rewrap_pepper import rewrap_pepper
from vault_service.kms.rotation.rewrapped import Rewrapped
from vault_service.kms.service import KeyService
from vault_service.storage.keys.peppered import HIGHEST
from vault_service.storage.patience import patient


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


def computed(service: KeyService) -> Rewrapped:
    """All users' wraps under the new pepper, read and computed, and not written."""
    return rewrap_pepper(service, NOBODY, HIGHEST, PAGE)


def assert_nothing_is_left(operator: Operator, worker: Worker, service: KeyService, gen: int) -> None:
    """One more sweep does what lost."""
    rotation = begin(service, to_gen=gen)
    done = worker.rewrap(rotation)
    end(service, rotation)
    assert (done.lost, done.failed) == (0, 0)
    assert [operator.census("pepper", older) for older in range(1, gen)] == [{}] * (gen - 1)
    assert everything_opens(service)


@pytest.mark.parametrize("prepare", RIVALS)
def test_whoever_is_faster_than_a_rewrap_is_not_overwritten(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, prepare: Prepare
) -> None:
    """The page was read and computed; then somebody commits; then the page is written."""
    rival = prepare(turned, api, second)
    gen = operator.next("pepper").gen
    page = computed(second)

    rival.act()
    with second.db.transaction() as conn:
        page.write(conn)

    assert_nothing_is_left(operator, worker, second, gen)
    assert rival.stands()
    assert everything_opens(second)


@pytest.mark.parametrize("prepare", RIVALS)
def test_whoever_comes_while_a_rewrap_is_being_committed_waits_and_then_takes_effect(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, prepare: Prepare
) -> None:
    """They have read the old wraps, and write when the new ones stand already."""
    rival = prepare(turned, api, second)
    gen = operator.next("pepper").gen
    page = computed(second)

    with ThreadPoolExecutor(1) as pool:
        with second.db.transaction() as conn:
            page.write(conn)
            acting = pool.submit(rival.act)
            waits_for_a_lock(turned)
        acting.result(110)

    assert_nothing_is_left(operator, worker, second, gen)
    assert rival.stands()
    assert everything_opens(second)


def test_nobody_waits_for_a_rewrap_that_waits_for_them(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """A rewrap locks users' rows before escrow wraps, an erasure after them; the credential decides.

    Their credentials are on the new pepper already, so that the rewrap has no need to write them.
    """
    first, leaving = enrol(turned, api), enrol(turned, api)
    gen = operator.next("pepper").gen
    for person in (first, leaving):
        person.change_password(THIRD_PASSWORD)
    page = computed(second)

    def write() -> int:
        with second.db.transaction() as conn, patient(conn, 60):
            conn.execute("SET LOCAL lock_timeout = '60s'")  # the other has an Argon2 before it
            return page.write(conn)

    with ThreadPoolExecutor(2) as pool:
        with turned.keys.superuser() as conn, conn.transaction():
            conn.execute("SELECT 1 FROM escrow_wraps WHERE user_id = %s FOR UPDATE", (first.user,))
            writing = pool.submit(write)
            waits_for_a_lock(turned)
            erasing = pool.submit(api.call, Erase(leaving.user, leaving.password), Done)
            waits_for_a_lock(turned, transactions=2)
        assert writing.result(110) == page.wraps
        erasing.result(110)

    assert_nothing_is_left(operator, worker, second, gen)
    assert not leaving.opens_with(leaving.password)


def test_of_two_that_do_the_same_range_each_wrap_is_written_by_one(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    people = [enrol(turned, api), makes_a_code(turned, api, second).person]
    people.append(signs_in_after_a_regain(turned, api, second).person)
    people[2].password = NEW_PASSWORD
    open_regain(turned, second, people[0])
    gen = operator.next("pepper").gen
    one, other = computed(second), computed(second)
    with second.db.transaction() as conn:
        written = one.write(conn)
    with second.db.transaction() as conn:
        again = other.write(conn)

    assert written == one.wraps == other.wraps >= 3 * len(people) + 3
    assert again == 0
    assert_nothing_is_left(operator, worker, second, gen)
    assert all(person.opens_with(person.password) for person in people)
