"""The Argon2 cost of a password's wrap is raised at the sign-in, and nobody notices."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.crypto.test_argon2 import held, params
from tests.kms.recoveries import NEW_PASSWORD, Recoveries
from tests.kms.test_equal_work import WRONG
from tests.promises.inside import Row, changed_columns, rows_of
from tests.rig.costs import demanding
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import LoginRefusedError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.floors import KDF_FLOOR
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, ChangePassword, Done, Enrol, Erase, Unlock
from vault_service.kms.protocol.recovery_messages import CreateRecoveryCode, RedeemRecoveryCode
from vault_service.kms.protocol.rotation_messages import CountOldCosts, OldCosts
from vault_service.kms.rotation.old_costs import count_old_costs
from vault_service.kms.service import KeyService
from vault_service.kms.users.enrol import enrol as enrol_at
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.password import change_password
from vault_service.kms.users.recovery_code import create_recovery_code, redeem_recovery_code
from vault_service.kms.users.unlock import unlock
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys import old_costs

HIGHER = KdfParams(KDF_FLOOR.memory_kib + 1024, KDF_FLOOR.iterations + 1, 1)


@pytest.fixture
def raised(shared_service: KeyService) -> KeyService:
    return demanding(shared_service, HIGHER)


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    """Somebody who signed up at the floor's cost."""
    return enrol(vault, kms)


def sign_in(service: KeyService, person: Person) -> bytes:
    return unlock(service, Unlock(person.vault.app_key, person.login, person.password)).dek


def row_of(person: Person) -> Row:
    (row,) = rows_of(person.vault.keys, "credentials", person.user)
    return row


def cost_of(person: Person) -> tuple[int, int]:
    columns = row_of(person).columns
    return int(columns["kdf_memory_kib"]), int(columns["kdf_iterations"])


def kinds_of(person: Person) -> list[KeysEvent]:
    with person.vault.keys.superuser() as conn:
        rows = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %(user)s ORDER BY at, event_id",
            {"user": person.user},
        ).fetchall()
    return [KeysEvent(int(str(row[0]))) for row in rows]


def test_a_sign_in_raises_the_cost_and_changes_nothing_else(person: Person, raised: KeyService) -> None:
    dek, before = person.unlock().dek, row_of(person)

    assert sign_in(raised, person) == dek

    assert cost_of(person) == (HIGHER.memory_kib, HIGHER.iterations)
    assert changed_columns(before, row_of(person)) == {"kdf_memory_kib", "kdf_iterations", "salt", "wrap"}
    assert person.unlock().dek == dek, "a key service with the older policy opens it as well"
    assert kinds_of(person).count(KeysEvent.PASSWORD_REWRAPPED) == 1


def test_it_takes_one_argon2_more_once_and_none_afterwards(person: Person, raised: KeyService) -> None:
    counts = []
    for _ in range(3):
        before = raised.argon2.derivations
        sign_in(raised, person)
        counts.append(raised.argon2.derivations - before)

    assert counts == [2, 1, 1]


def test_a_wrong_password_raises_nothing(person: Person, raised: KeyService) -> None:
    before = row_of(person)

    with pytest.raises(LoginRefusedError):
        unlock(raised, Unlock(person.vault.app_key, person.login, WRONG))

    assert row_of(person) == before


def test_a_lower_cost_of_the_policy_lowers_no_wrap(person: Person, raised: KeyService) -> None:
    """Whoever edits a policy file must not get old wraps made cheap to guess."""
    sign_in(raised, person)

    person.unlock()  # the running key service asks for the floor

    assert cost_of(person) == (HIGHER.memory_kib, HIGHER.iterations)


def test_the_recovery_code_stays(person: Person, raised: KeyService) -> None:
    code = create_recovery_code(raised, CreateRecoveryCode(person.user, person.password)).code
    dek = sign_in(raised, person)

    request = RedeemRecoveryCode(person.vault.app_key, person.login, code, NEW_PASSWORD)
    redeem_recovery_code(raised, request)

    person.password = NEW_PASSWORD
    assert person.unlock().dek == dek


def test_without_memory_at_hand_the_sign_in_goes_on_at_the_old_cost(
    person: Person, raised: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storm of sign-ins after a change of the policy must not be made twice as long by it."""
    tight = replace(raised, argon2=Argon2(budget_kib=HIGHER.memory_kib, queue_wait_s=20))
    real = tight.wraps.seal_password.__func__  # type: ignore[attr-defined]  # the function of the method

    def with_others(wraps: Any, *args: Any, **kwargs: Any) -> Any:
        with held(tight.argon2, 1):
            return real(wraps, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("vault_service.kms.wrapping.wraps.Wraps.seal_password", with_others)
        sign_in(tight, person)

    assert cost_of(person) == (KDF_FLOOR.memory_kib, KDF_FLOOR.iterations)
    sign_in(tight, person)
    assert cost_of(person) == (HIGHER.memory_kib, HIGHER.iterations)


def test_who_waits_for_memory_goes_before_the_raising_of_a_cost() -> None:
    argon2 = Argon2(budget_kib=3 * params(1).memory_kib, queue_wait_s=20)
    with ThreadPoolExecutor(1) as pool, held(argon2, 2) as gate:
        waiting = pool.submit(argon2.derive, "large", bytes(16), params(3))
        while not argon2._queue:
            pass
        with pytest.raises(VaultError, match="memory"):
            argon2.derive("raise", bytes(16), params(1), wait=False)
        gate.open.set()
        waiting.result(20)


def test_a_one_time_password_still_has_to_be_changed_and_is_not_issued_again(
    vault: Vault, shared_service: KeyService, raised: KeyService
) -> None:
    """The wrap's times stay: else a repeated sign-up would give the person a new key, and lose the data."""
    request = Enrol(vault.app_key, UserId(new_uuid()), f"brought-{new_uuid().hex}@example.org", None)
    once = enrol_at(shared_service, request).one_time_password
    assert once is not None
    opened = unlock(raised, Unlock(vault.app_key, request.login, once))
    again = unlock(raised, Unlock(vault.app_key, request.login, once))

    assert (opened.must_change, again.must_change) == (True, True)
    with pytest.raises(VaultError):
        enrol_at(raised, request)


def test_the_token_going_away_after_the_proof_is_no_failure_of_the_sign_in(
    person: Person, raised: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = old_costs.replace_wrap

    def breaking(conn: Any, *args: Any) -> bool:
        conn.close()
        return real(conn, *args)

    monkeypatch.setattr("vault_service.kms.users.raise_cost.replace_wrap", breaking)

    assert sign_in(raised, person)
    assert cost_of(person) == (KDF_FLOOR.memory_kib, KDF_FLOOR.iterations)
    assert KeysEvent.PASSWORD_REWRAPPED not in kinds_of(person)


# --- others at the same time


def other_changes(person: Person, service: KeyService) -> dict[str, Callable[[], object]]:
    return {
        "password": lambda: change_password(
            service, ChangePassword(person.user, person.password, NEW_PASSWORD)
        ),
        "login": lambda: change_login(
            service, ChangeLogin(person.user, person.password, f"moved-{person.login}")
        ),
        "erase": lambda: person.kms.call(Erase(person.user, person.password), Done),
    }


@pytest.mark.parametrize("change", ["password", "login", "erase"])
def test_whoever_changes_the_wrap_meanwhile_has_the_last_word(
    person: Person, raised: KeyService, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    dek, real = person.unlock().dek, old_costs.replace_wrap

    def beaten(*args: Any) -> bool:
        other_changes(person, raised)[change]()
        return real(*args)

    monkeypatch.setattr("vault_service.kms.users.raise_cost.replace_wrap", beaten)
    sign_in(raised, person)

    assert not person.opens_with(person.password)
    if change == "password":
        person.password = NEW_PASSWORD
    person.login = f"moved-{person.login}" if change == "login" else person.login
    assert change == "erase" or person.unlock().dek == dek
    assert KeysEvent.PASSWORD_REWRAPPED not in kinds_of(person)


# --- the same time for everybody who is refused


def refusal_work(service: KeyService, person: Person, login: str, password: str = WRONG) -> int:
    before = service.argon2.work
    with pytest.raises(LoginRefusedError):
        unlock(service, Unlock(person.vault.app_key, login, password))
    return service.argon2.work - before


@pytest.mark.parametrize("iterations", [2, 3, 5])
@pytest.mark.parametrize("more_kib", [0, 1024, 20_000])
def test_an_older_cost_does_not_tell_that_a_login_exists(
    person: Person, shared_service: KeyService, more_kib: int, iterations: int
) -> None:
    """Else, after each raise, whoever measures an answer's time has the list of all users."""
    cost = KdfParams(KDF_FLOOR.memory_kib + more_kib, iterations, 1)
    service = demanding(shared_service, cost)

    known = refusal_work(service, person, person.login)
    unknown = refusal_work(service, person, f"nobody-{new_uuid().hex}@example.org")

    assert unknown == cost.work()
    assert abs(known - unknown) <= 8 * iterations


def test_nor_that_a_stolen_password_is_the_right_one(
    vault: Vault, person: Person, raised: KeyService
) -> None:
    """It is suspended by an approved regain, and must look like any wrong one."""
    recoveries = Recoveries(vault, raised)
    recoveries.approve("ana", recoveries.of(person, stolen=True), person.login)

    right, wrong = (refusal_work(raised, person, person.login, each) for each in (person.password, WRONG))

    assert right == wrong


# --- how many are left


def test_operators_learn_how_many_are_left(
    vault: Vault, person: Person, raised: KeyService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault_service.kms.rotation.old_costs._PAGE", 3)
    before = count_old_costs(raised, CountOldCosts())
    sign_in(raised, person)
    after = count_old_costs(raised, CountOldCosts())

    assert (after.below, after.credentials) == (before.below - 1, before.credentials)
    assert (after.memory_kib, after.iterations) == (HIGHER.memory_kib, HIGHER.iterations)
    operator = kms_client(KmsClientSettings(url=vault.socket("operator")))
    try:
        assert operator.call(CountOldCosts(), OldCosts).below == 0, "by the running service's own policy"
    finally:
        operator.close()


@pytest.mark.parametrize(
    ("cost", "below"),
    [
        (KdfParams(65_536, 3, 1), False),
        (KdfParams(65_536, 2, 1), True),
        (KdfParams(32_768, 6, 1), True),  # as much work in less memory
        (KdfParams(131_072, 2, 1), False),  # more of both together
        (KdfParams(19_456, 2, 1), True),
        (KdfParams(98_304, 2, 1), False),  # as much work in more memory
    ],
)
def test_python_and_the_database_agree_on_what_is_below(vault: Vault, cost: KdfParams, below: bool) -> None:
    policy = KdfParams(65_536, 3, 1)

    with vault.keys.superuser() as conn, conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("DELETE FROM credentials")
        conn.execute(
            """INSERT INTO credentials (user_id, credential_id, kind, dek_id, epoch, kdf_memory_kib,
                 kdf_iterations, kdf_lanes, salt, pepper_gen, wrap, must_change, created_at)
               SELECT gen_random_uuid(), gen_random_uuid(), 'password', gen_random_uuid(), 1, %(mem)s,
                 %(iters)s, 1, decode(repeat('00', 16), 'hex'), 1, decode(repeat('00', 154), 'hex'), false,
                 now()""",
            {"mem": cost.memory_kib, "iters": cost.iterations},
        )
        page = old_costs.count_below(conn, policy, after=UserId(UUID(int=0)), limit=10)

    assert cost.is_below(policy) is below
    assert (page.looked_at, page.below) == (1, int(below))
