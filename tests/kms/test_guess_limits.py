"""Limits on guessing are counted in the key service, before the check."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from tests.rig.people import enrol
from tests.rig.postgres import TestDatabase
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import LoginRefusedError, LoginTakenError, ThrottledError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import AppId, TenantId, new_uuid
from vault_service.domain.login import normalise_login
from vault_service.kms.client import KmsClient
from vault_service.kms.dispatch import Caller, answer
from vault_service.kms.limits.budgets import Budgets
from vault_service.kms.protocol.messages import (
    ChangeLogin,
    ChangePassword,
    Done,
    Enrol,
    Enrolled,
    HealthIs,
    Refusal,
    Unlock,
    Unlocked,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.password import change_password
from vault_service.policy.rules import BudgetRule, GuessRule
from vault_service.storage.keys.guesses import GuessCounted, GuessRefused, count_guess, reset_guesses_at
from vault_service.worker import keys_tasks

RULE = GuessRule(free=4, first_wait_s=1.0, max_wait_s=900.0, lock_after=100)


@pytest.mark.parametrize("known", [True, False])
def test_the_fifth_failure_begins_to_back_off_for_known_and_unknown_logins_alike(
    vault: Vault, kms: KmsClient, known: bool
) -> None:
    login = enrol(vault, kms).login if known else "stranger-to-this-vault@example.org"
    answers: list[VaultError] = []
    for _ in range(7):
        with pytest.raises(VaultError) as refused:
            kms.call(Unlock(vault.app_key, login, "a wrong but long enough password"), Unlocked)
        answers.append(refused.value)
    assert [error.code for error in answers] == ["login.refused"] * 5 + ["login.throttled"] * 2
    assert all((error.retry_after_s or 0) >= 1 for error in answers[5:])


def test_the_right_password_is_refused_too_while_the_login_must_wait(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms)
    for _ in range(5):
        assert not person.opens_with("a wrong but long enough password")

    with pytest.raises(ThrottledError):
        person.unlock()


def test_of_a_crowd_of_parallel_guesses_no_more_are_checked_than_one_by_one(
    vault: Vault, kms: KmsClient
) -> None:
    """Counting after the check would let all of them through on one count."""
    person = enrol(vault, kms)

    def guess(number: int) -> str:
        try:
            kms.call(Unlock(vault.app_key, person.login, f"guess number {number} of a crowd"), Unlocked)
        except VaultError as error:
            return error.code
        return "opened"

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(guess, range(24)))

    assert answers.count("login.refused") == 5
    assert answers.count("login.throttled") == 19


def test_a_success_ends_the_row_of_failures(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms)
    for _ in range(3):
        for _ in range(4):
            assert not person.opens_with("a wrong but long enough password")
        person.unlock()


def test_the_wait_doubles_up_to_its_limit_and_after_a_hundred_failures_the_login_is_locked(
    keys_db: TestDatabase,
) -> None:
    db = keys_db.open("vault_kms", size=2)
    index = bytes(32)
    now = datetime(2030, 1, 1, tzinfo=UTC)
    waits: list[float] = []
    for number in range(1, 101):
        with db.transaction() as conn:
            assert count_guess(conn, index, RULE, now) == GuessCounted(number)
            row = conn.execute("SELECT not_before FROM guesses").fetchone()
        assert row is not None
        waits.append((row[0] - now).total_seconds())
        now = max(now, row[0]) + timedelta(seconds=1)
    assert waits[:8] == [0, 0, 0, 0, 1, 2, 4, 8]
    assert max(waits) == 900

    with db.transaction() as conn:
        locked = count_guess(conn, index, RULE, now + timedelta(days=3650))
    assert isinstance(locked, GuessRefused)
    assert locked.locked
    db.close()


def test_a_locked_login_gets_the_answer_of_a_wrong_password_and_leaves_an_event(
    vault: Vault, kms: KmsClient
) -> None:
    person = enrol(vault, kms)
    with vault.keys.superuser() as conn:
        conn.execute(
            """INSERT INTO guesses SELECT login_index, 100, now() - interval '1 day', now() FROM users
               WHERE user_id = %(u)s ON CONFLICT (login_index) DO UPDATE SET failures = 100""",
            {"u": person.user},
        )
    with pytest.raises(LoginRefusedError):
        person.unlock()
    with vault.keys.superuser() as conn:
        kinds = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %(u)s ORDER BY event_id", {"u": person.user}
        ).fetchall()
    assert [KeysEvent(int(str(kind))) for (kind,) in kinds] == [
        KeysEvent.USER_ENROLLED,
        KeysEvent.UNLOCK_REFUSED,
    ]


def test_an_app_that_has_used_up_its_budget_waits() -> None:
    budgets = Budgets(BudgetRule(0.001, 3, 0.001, 5, 0.001, 2))
    app, other = AppId(new_uuid()), AppId(new_uuid())
    for _ in range(3):
        budgets.spend(app)
    with pytest.raises(ThrottledError):
        budgets.spend(app)
    budgets.spend(other)


def test_a_budget_fills_up_again_to_its_burst_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is quiet for a night has not saved up for a flood."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    budgets, app = Budgets(BudgetRule(1.0, 3, 1.0, 5, 1.0, 2)), AppId(new_uuid())
    for waited, due in ((0.0, 3), (2.0, 2), (36_000.0, 3)):
        clock[0] += waited
        for _ in range(due):
            budgets.spend(app)
        with pytest.raises(ThrottledError):
            budgets.spend(app)


def test_a_captured_host_that_speaks_for_many_apps_has_one_budget() -> None:
    budgets = Budgets(BudgetRule(0.001, 3, 0.001, 5, 0.001, 2))
    for _ in range(5):
        budgets.spend_host("api-1.internal")
    with pytest.raises(ThrottledError):
        budgets.spend_host("api-1.internal")
    budgets.spend_host("api-2.internal")


def test_who_needs_no_app_key_shares_one_budget_and_uses_up_nobody_elses() -> None:
    budgets = Budgets(BudgetRule(0.001, 3, 0.001, 5, 0.001, 2))
    for _ in range(2):
        budgets.spend_keyless()
    with pytest.raises(ThrottledError):
        budgets.spend_keyless()
    budgets.spend(AppId(new_uuid()))
    budgets.spend_host("api-1.internal")


def test_redeeming_spends_the_budget_of_those_without_an_app_key(service: KeyService) -> None:
    poor = replace(service, budgets=Budgets(BudgetRule(0.001, 3, 0.001, 5, 0.001, 1)))
    redeem = ChangePassword(new_uuid(), "vso_" + "A" * 43, PASSWORD, one_time=True)

    with pytest.raises(LoginRefusedError):
        change_password(poor, redeem)
    with pytest.raises(ThrottledError):
        change_password(poor, redeem)


def test_the_budget_of_a_host_is_kept_before_any_work_is_done(service: KeyService) -> None:
    poor = replace(service, budgets=Budgets(BudgetRule(0.001, 3, 0.001, 2, 0.001, 2)))
    caller = Caller("api", "api-1.internal")

    answers = [answer(poor, caller, "health", b"{}") for _ in range(3)]

    assert [type(each) for each in answers] == [HealthIs, HealthIs, Refusal]
    assert isinstance(answers[2], Refusal)
    assert answers[2].code == ThrottledError.code


def test_an_app_that_floods_is_stopped_before_any_password_is_checked(
    vault: Vault, service: KeyService
) -> None:
    """Guesses at a thousand logins with one captured app key stay within one budget."""
    poor = replace(service, budgets=Budgets(BudgetRule(0.001, 2, 1000.0, 1000, 1000.0, 1000)))
    body = msgspec.json.encode(Unlock(vault.app_key, f"{new_uuid()}@example.org", "a guess at somebody's"))
    began = service.argon2.derivations

    answers = [answer(poor, Caller("api", "api-1.internal"), "unlock", body) for _ in range(4)]

    assert [each.code for each in answers if isinstance(each, Refusal)] == [
        *[LoginRefusedError.code] * 2,
        *[ThrottledError.code] * 2,
    ]
    assert service.argon2.derivations - began == 2


def test_a_flood_from_the_api_does_not_keep_the_operator_out(service: KeyService) -> None:
    """Both may run as one user of one machine; the operator must still be able to revoke an app."""
    poor = replace(service, budgets=Budgets(BudgetRule(0.001, 3, 0.001, 1, 0.001, 1)))
    api, operator = Caller("api", "uid 1000"), Caller("operator", "uid 1000")

    answers = [answer(poor, caller, "health", b"{}") for caller in (api, api, operator)]

    assert [type(each) for each in answers] == [HealthIs, Refusal, HealthIs]


def test_resetting_a_login_that_was_never_tried_changes_nothing(keys_db: TestDatabase) -> None:
    db = keys_db.open("vault_kms", size=1)
    with db.transaction() as conn:
        reset_guesses_at(conn, (bytes(32),), datetime(2030, 1, 1, tzinfo=UTC))
        assert conn.execute("SELECT count(*) FROM guesses").fetchone() == (0,)
    db.close()


def test_patience_gives_no_further_guesses(keys_db: TestDatabase) -> None:
    """The worker forgets who has no failures, and nobody else: the row of failures goes on after years."""
    worker = keys_db.open("vault_worker_keys", size=1)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    with keys_db.superuser() as conn:
        for index, failures in (
            (bytes(32), 100),
            (bytes([1]) * 32, 99),
            (bytes([2]) * 32, 1),
            (bytes([3]) * 32, 0),
        ):
            conn.execute("INSERT INTO guesses VALUES (%s, %s, %s, %s)", (index, failures, long_ago, long_ago))

    tasks = {task.name: task for task in keys_tasks(worker)}
    assert tasks["purge_guesses"].run() == 1

    with keys_db.superuser() as conn:
        assert conn.execute("SELECT failures FROM guesses ORDER BY 1").fetchall() == [(1,), (99,), (100,)]
    worker.close()


def lock(vault: Vault, login_index: bytes) -> None:
    with vault.keys.superuser() as conn:
        conn.execute("INSERT INTO guesses VALUES (%s, 100, now(), now())", (login_index,))


def index_of(vault: Vault, service: KeyService, login: str) -> bytes:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT tenant_id FROM tenants").fetchone()
    assert row is not None
    tenant = TenantId(UUID(str(row[0])))
    return service.live_login(tenant, normalise_login(login), service.manifests.current()).current.index


def test_guesses_at_a_login_before_there_was_one_do_not_lock_out_who_signs_up_with_it(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    """Otherwise a stranger could make logins of people to come unusable, and nobody would notice."""
    login = f"comes-later-{new_uuid().hex}@example.org"
    lock(vault, index_of(vault, service, login))

    kms.call(Enrol(vault.app_key, new_uuid(), login, PASSWORD), Enrolled)

    kms.call(Unlock(vault.app_key, login, PASSWORD), Unlocked)


def test_guesses_at_a_login_before_do_not_lock_out_who_moves_to_it(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    login = f"moves-here-{new_uuid().hex}@example.org"
    lock(vault, index_of(vault, service, login))

    kms.call(ChangeLogin(person.user, person.password, login), Done)

    kms.call(Unlock(vault.app_key, login, person.password), Unlocked)


def test_who_tries_to_take_a_login_that_is_taken_lifts_no_limit(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person, other = enrol(vault, kms), enrol(vault, kms)
    lock(vault, index_of(vault, service, person.login))

    with pytest.raises(LoginTakenError):
        kms.call(Enrol(vault.app_key, new_uuid(), person.login, PASSWORD), Enrolled)
    with pytest.raises(LoginTakenError):
        kms.call(ChangeLogin(other.user, other.password, person.login), Done)

    assert not person.opens_with(person.password)
