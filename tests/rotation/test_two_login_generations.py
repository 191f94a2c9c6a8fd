"""While two generations of the login index are live, a login is one person's, whoever asks and when."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

import pytest

from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from tests.rotation.login_index import a_new_index, rotate
from tests.rotation.operator import Operator
from tests.rotation.pepper import Worker
from vault_service.domain.errors import LoginTakenError, VaultError
from vault_service.domain.ids import TenantId, UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Enrol, Enrolled, Unlock
from vault_service.kms.service import KeyService
from vault_service.kms.users.enrol import enrol as enrol_in
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.unlock import unlock
from vault_service.storage.keys.logins import demand_only_login


@pytest.fixture(scope="module")
def turned(turned_by_many: Vault) -> Vault:
    return turned_by_many


@pytest.fixture
def worker(turned: Vault) -> Iterator[Worker]:
    with Worker.of(turned) as worker:
        yield worker


def logins_of(vault: Vault, *users: UserId) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM logins WHERE user_id = ANY(%(u)s)", {"u": list(users)}
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def tenant_of(vault: Vault) -> UUID:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT tenant_id FROM tenants").fetchone()
    assert row is not None
    return UUID(str(row[0]))


def wait_for_lock(vault: Vault) -> None:
    """Until a statement waits for another one's lock on a whole table."""

    def waits() -> bool:
        with vault.keys.superuser() as conn:
            found = conn.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
            return found.fetchone() is not None

    vault.wait_for(waits, vault.running["kms"])


def fresh_login() -> str:
    return f"someone-{new_uuid().hex}@example.org"


def test_whoever_is_on_the_old_index_signs_in_and_keeps_the_login(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    old = enrol(turned, api)
    a_new_index(operator, second)
    new = enrol(turned, api)

    for _ in ("before the move", "after it"):
        for person in (old, new):
            assert person.opens_with(person.password)
            with pytest.raises(LoginTakenError):
                api.call(Enrol(turned.app_key, new_uuid(), person.login, PASSWORD), Enrolled)
        with pytest.raises(LoginTakenError):
            api.call(ChangeLogin(new.user, new.password, old.login), Done)
        api.call(Enrol(turned.app_key, old.user, old.login, old.password), Enrolled)  # a late retry
        api.call(ChangeLogin(old.user, old.password, old.login), Done)  # to what it is
        rotate(second, worker)

    assert logins_of(turned, old.user, new.user) == 2


def test_a_key_service_that_has_not_seen_the_newest_manifest_finds_who_has_moved(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService, worker: Worker
) -> None:
    """It looks once a second; until then it would call the right password a wrong one, and count it."""
    person, serial = enrol(turned, api), second.manifests.current().serial
    a_new_index(operator)
    rotate(second, worker)
    assert second.manifests.current().serial == serial

    assert unlock(second, Unlock(turned.app_key, person.login, person.password)).user_id == person.user


def paused(service: KeyService, at: int) -> tuple[KeyService, threading.Event, threading.Event]:
    """The same, whose clock stands still when it is asked the `at`-th time: `reached`, then `go on`."""
    reached, go_on = threading.Event(), threading.Event()
    asked = iter(range(1, 1000))

    def now() -> datetime:
        if next(asked) == at:
            reached.set()
            assert go_on.wait(60)
        return service.now()

    return replace(service, now=now), reached, go_on


def outcome_of(call: Callable[[], object]) -> str:
    try:
        call()
    except VaultError as error:
        return error.code
    return "made"


def test_a_login_is_given_once_although_a_key_service_is_two_manifests_behind_while_giving_it(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """It has looked for the login under one index, and stops just before it writes; then another person takes
    the login under the next index."""
    login, late = fresh_login(), UserId(new_uuid())
    slow, reached, go_on = paused(second, at=2)  # once for the app's key, once in the transaction
    with ThreadPoolExecutor(1) as thread:
        request = Enrol(turned.app_key, late, login, PASSWORD)
        given = thread.submit(outcome_of, lambda: enrol_in(slow, request))
        assert reached.wait(60)
        a_new_index(operator)
        person = Person(turned, api, UserId(new_uuid()), login, "another good one of nine words")
        api.call(Enrol(turned.app_key, person.user, login, person.password), Enrolled)
        go_on.set()

        assert given.result(110) == LoginTakenError.code

    assert logins_of(turned, late, person.user) == 1
    assert person.opens_with(person.password)


def test_a_new_generation_waits_for_whoever_is_giving_a_login_to_somebody(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """Their row is not to be seen yet, and theirs is the only look for the login under the old index."""
    login, now = fresh_login(), second.now()
    tenant = TenantId(tenant_of(turned))
    live = second.live_login(tenant, login, second.manifests.fresh())
    with ThreadPoolExecutor(1) as thread:
        with second.db.transaction() as conn:
            conn.execute(
                "INSERT INTO logins VALUES (%(i)s, %(g)s, %(u)s)",
                {"i": live.current.index, "g": live.current.index_gen, "u": new_uuid()},
            )
            demand_only_login(conn, live.current.index, among=live.indexes, gens=live.gens)
            made = thread.submit(operator.create, "login-index")
            wait_for_lock(turned)
            assert not made.done(), now
        made.result(110)


def test_of_some_who_take_a_login_under_two_generations_at_once_one_gets_it(
    turned: Vault, operator: Operator, api: KmsClient, second: KeyService
) -> None:
    """One believes that the next generation is prepared, the other that it is current: both know both."""
    mover = enrol(turned, api)
    gen = operator.create("login-index").gen
    second.manifests.look()
    operator.make_current("login-index", gen)
    assert second.manifests.current().login_index_gen == gen - 1
    for _ in range(4):
        login, users = fresh_login(), [UserId(new_uuid()) for _ in range(2)]
        behind, ahead = (Enrol(turned.app_key, user, login, PASSWORD) for user in users)
        changed = ChangeLogin(mover.user, mover.password, login)
        calls: tuple[Callable[[], object], ...] = (
            partial(enrol_in, second, behind),
            partial(api.call, ahead, Enrolled),
            partial(change_login, second, changed),
        )
        with ThreadPoolExecutor(3) as threads:
            outcomes = list(threads.map(outcome_of, calls))

        assert sorted(outcomes) == ["made", LoginTakenError.code, LoginTakenError.code]
        assert logins_of(turned, *users) + 1 == logins_of(turned, *users, mover.user)
