"""Every wrap gets to a new pepper, nothing else changes, and everything opens as before."""

from collections.abc import Iterator

import pytest

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.operator import Operator
from tests.rotation.pepper import WRAPS, Worker, begin, end, everything_opens, move_everybody_out, rows
from vault_service.crypto.dek import Dek
from vault_service.domain.ids import DekId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryBegun,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.wraps import login_of
from vault_service.storage.keys.users import find_by_id, insert_dek


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


def a_new_pepper(operator: Operator, service: KeyService) -> int:
    """Current, and known to both key services."""
    gen = operator.next("pepper").gen
    service.manifests.look()
    return gen


def keep_another_data_key(service: KeyService, person: Person) -> None:
    """Beside the current one, with an escrow wrap of its own, as while records are under both."""
    manifest = service.manifests.current()
    with service.db.transaction() as conn:
        row = find_by_id(conn, person.user)
        assert row is not None
        dek = Dek.generate(row.tenant, row.user, DekId(new_uuid()))
        wrap = service.wraps.seal_escrow(dek, manifest, login=login_of(row), pepper_gen=manifest.pepper_gen)
        insert_dek(conn, row.user, dek.dek, dek.check_value(), wrap, service.now())


def test_every_wrap_moves_and_opens_as_before(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    plain, coded, regained, asking = (enrol(turned, api) for _ in range(4))
    code = api.call(CreateRecoveryCode(coded.user, coded.password), RecoveryCodeIs).code
    file = open_regain(turned, second, regained)
    file.approve("ana", "bob")
    regain(file)
    waiting = open_regain(turned, second, asking)
    for login in ("nobody-1@example.org", "nobody-2@example.org"):  # decoys: their ids are no users'
        api.call(BeginRecovery(turned.app_key, new_uuid(), login, NEW_PASSWORD), RecoveryBegun)
    keep_another_data_key(second, regained)
    before = rows(turned, without=WRAPS)
    gen = a_new_pepper(operator, second)
    old = operator.census("pepper", gen - 1)
    rotation = begin(second, to_gen=gen)

    done = worker.rewrap(rotation)

    assert (done.state, done.looked_at, done.lost, done.failed) == ("running", 4, 0, 0)
    assert done.rewrapped == sum(old.values()) == 4 * 3 + 1 + 1 + 1 + 3
    assert operator.census("pepper", gen - 1) == {}
    assert operator.census("pepper", gen) == old
    assert rows(turned, without=WRAPS) == before
    assert everything_opens(second)
    end(second, rotation)
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
    rotation = begin(second, to_gen=a_new_pepper(operator, second))
    first = worker.rewrap(rotation)
    after = rows(turned)

    again = worker.rewrap(rotation)

    assert first.rewrapped > 0
    assert (again.rewrapped, again.lost, again.failed) == (0, 0, 0)
    assert rows(turned) == after
