"""A new login index gives nobody a further guess, and tells nobody which logins there are."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.kms.test_equal_work import BY_ID, counted_statements, work_of
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from tests.rotation.login_index import a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Enrol, Enrolled, Unlock, Unlocked
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    CodeRedeemed,
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.service import KeyService

WRONG = "a wrong but long enough password"
CODE = "000G4-0R40M-30E20-9185G-R38E1-W"


@pytest.fixture(scope="module")
def turned(turned_by_many: Vault) -> Vault:
    return turned_by_many


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


def guess(vault: Vault, kms: KmsClient, login: str, times: int) -> list[str]:
    answers: list[str] = []
    for _ in range(times):
        with pytest.raises(VaultError) as refused:
            kms.call(Unlock(vault.app_key, login, WRONG), Unlocked)
        answers.append(refused.value.code)
    return answers


def fail(vault: Vault, service: KeyService, login: str, failures: int) -> None:
    """So many failures in a row before this moment, under every index that the login has now."""
    with service.db.connection() as conn:
        row = conn.execute("SELECT tenant_id FROM tenants").fetchone()
    assert row is not None
    live = service.live_login(row[0], login, service.manifests.fresh())
    write(vault, live.indexes, failures)


def write(vault: Vault, indexes: Sequence[bytes], failures: int) -> None:
    with vault.keys.superuser() as conn:
        for index in indexes:
            conn.execute(
                """INSERT INTO guesses VALUES (%(i)s, %(f)s, now() - interval '1 s', now())
                   ON CONFLICT (login_index) DO UPDATE SET failures = excluded.failures""",
                {"i": index, "f": failures},
            )


def must_wait(vault: Vault) -> None:
    """Whoever has guessed too often: for longer than the test takes."""
    with vault.keys.superuser() as conn:
        conn.execute("UPDATE guesses SET not_before = now() + interval '10 min' WHERE failures = 5")


def nobody(vault: Vault, kms: KmsClient) -> Person:
    login = f"nobody-{new_uuid().hex}@example.org"
    return Person(vault, kms, UserId(new_uuid()), login, "there is no such password")


REFUSED, THROTTLED = "login.refused", "login.throttled"


@pytest.mark.parametrize("known", [True, False])
def test_who_had_to_wait_has_to_wait_under_the_new_index_too(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, known: bool
) -> None:
    person = enrol(turned, api) if known else nobody(turned, api)
    assert guess(turned, api, person.login, 5) == [REFUSED] * 5
    must_wait(turned)

    assert guess(turned, api, person.login, 1) == [THROTTLED]
    operator.create("login-index")
    assert guess(turned, api, person.login, 1) == [THROTTLED]
    a_new_index(operator, second)
    assert guess(turned, api, person.login, 1) == [THROTTLED]
    rotate(second, worker)
    assert guess(turned, api, person.login, 1) == [THROTTLED]


@pytest.mark.parametrize("known", [True, False])
def test_who_was_locked_is_locked_for_good(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker, known: bool
) -> None:
    person = enrol(turned, api) if known else nobody(turned, api)
    fail(turned, second, person.login, 100)

    for step in (lambda: a_new_index(operator, second), lambda: rotate(second, worker)):
        step()
        assert not person.opens_with(person.password), "not even with the right password"


def test_a_regain_ends_the_lock_under_every_index(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    person = enrol(turned, api)
    file = open_regain(turned, second, person)
    fail(turned, second, person.login, 100)
    a_new_index(operator, second)
    rotate(second, worker)
    file.approve("ana", "bob")

    regain(file)

    assert person.unlock(NEW_PASSWORD).dek == file.dek


def forget_older_indexes(vault: Vault, service: KeyService, *logins: str) -> None:
    """As it is once their generations are gone: nobody can find what was counted under them."""
    manifest = service.manifests.fresh()
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT tenant_id FROM tenants").fetchone()
        assert row is not None
        for login in logins:
            for binding in service.live_login(row[0], login, manifest).bindings[1:]:  # type: ignore[arg-type]  # a uuid
                conn.execute("DELETE FROM guesses WHERE login_index = %(i)s", {"i": binding.index})


def test_failures_of_before_lock_in_the_end_and_tell_nobody_that_there_is_such_a_login(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """Those of a login that nobody has cannot be carried over, since its name is kept nowhere."""
    person, stranger = enrol(turned, api), nobody(turned, api)
    for each in (person, stranger):
        fail(turned, second, each.login, 98)
    a_new_index(operator, second)
    rotate(second, worker)
    forget_older_indexes(turned, second, person.login, stranger.login)

    known, unknown = (guess(turned, api, each.login, 2) for each in (person, stranger))

    assert known == unknown == [REFUSED] * 2
    assert not person.opens_with(person.password), "a hundred in a row: the right one is refused as well"
    assert guess(turned, api, stranger.login, 1) == [REFUSED]
    known, unknown = (guess(turned, api, each.login, 2) for each in (person, stranger))
    assert known == unknown == [REFUSED] * 2
    must_wait(turned)
    known, unknown = (guess(turned, api, each.login, 1) for each in (person, stranger))
    assert known == unknown == [THROTTLED]


def test_the_right_password_ends_the_row_under_every_index(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    person = enrol(turned, api)
    assert guess(turned, api, person.login, 4) == [REFUSED] * 4
    a_new_index(operator, second)
    person.unlock()
    assert guess(turned, api, person.login, 4) == [REFUSED] * 4
    rotate(second, worker)
    person.change_password("seven other lamps over the harbour")
    assert guess(turned, api, person.login, 5) == [REFUSED] * 5


def test_wrong_codes_count_on_under_the_new_index_too(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    person = enrol(turned, api)
    api.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs)

    def tried() -> str:
        with pytest.raises(VaultError) as refused:
            api.call(RedeemRecoveryCode(turned.app_key, person.login, CODE, NEW_PASSWORD), CodeRedeemed)
        return refused.value.code

    assert [tried() for _ in range(5)] == [REFUSED] * 5
    must_wait(turned)
    assert tried() == THROTTLED
    a_new_index(operator, second)
    assert tried() == THROTTLED
    rotate(second, worker)
    assert tried() == THROTTLED


@pytest.mark.parametrize("call", ["unlock", "redeem", "begin"])
def test_a_login_that_nobody_has_costs_the_same_while_two_generations_are_live(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker,
    monkeypatch: pytest.MonkeyPatch, call: str,
) -> None:  # fmt: skip
    moved = enrol(turned, api)
    a_new_index(operator, second)
    rotate(second, worker)
    unmoved = enrol(turned, api)
    a_new_index(operator, second)
    new, stranger = enrol(turned, api), nobody(turned, api)

    def work(login: str) -> object:
        if call == "unlock":
            return work_of(second, Unlock(turned.app_key, login, WRONG), monkeypatch)
        if call == "redeem":
            request = RedeemRecoveryCode(turned.app_key, login, CODE, NEW_PASSWORD)
            return work_of(second, request, monkeypatch)
        calls = Counter(second.keyring.token.calls)
        with counted_statements(monkeypatch) as statements:
            begin_recovery(second, BeginRecovery(turned.app_key, new_uuid(), login, NEW_PASSWORD))
        return second.keyring.token.calls - calls, statements

    known = [work(each.login) for each in (moved, unmoved, new)]

    assert known == [work(stranger.login)] * 3


def test_a_user_that_there_is_not_costs_the_same_by_id(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    invited, person = UserId(new_uuid()), enrol(turned, api)
    api.call(Enrol(turned.app_key, invited, f"{new_uuid().hex}@example.org", None), Enrolled)
    a_new_index(operator, second)

    for name, call in BY_ID.items():
        user = invited if name == "redeem" else person.user
        known, unknown = (work_of(second, call(each), monkeypatch) for each in (user, UserId(new_uuid())))
        assert known == unknown, name
