"""Floods: how many regains a login and an app may ask for, counted before any work; who gets through."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.kms.recoveries import Recoveries, later, with_limits
from tests.kms.test_begin_recovery import nobody
from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import TooManyCasesError
from vault_service.kms.cases.end import expire_cases
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService


@pytest.fixture
def recoveries(vault: Vault, service: KeyService) -> Recoveries:
    """With the policy's limits: three at once, five a day."""
    return Recoveries(vault, service)


def refusals(vault: Vault) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT count(*) FROM audit_events WHERE kind = %s", (int(KeysEvent.CASE_REFUSED),)
        ).fetchone()
    return int(str(row[0])) if row else 0


def test_a_fourth_at_once_is_refused_before_any_argon2(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    for login in (enrol(vault, kms).login, nobody()):
        for _ in range(3):
            recoveries.begin(login)
        before, work = refusals(vault), recoveries.service.argon2.derivations

        with pytest.raises(TooManyCasesError) as refused:
            recoveries.begin(login)

        assert recoveries.service.argon2.derivations == work
        assert refused.value.retry_after_s == pytest.approx(604_800, abs=120)  # when the first one expires
        assert refusals(vault) == before + 1


def test_of_a_crowd_at_once_no_more_get_to_the_work_than_the_limit_allows(recoveries: Recoveries) -> None:
    login, work = nobody(), recoveries.service.argon2.derivations

    def begin(_: int) -> bool:
        try:
            recoveries.begin(login)
        except TooManyCasesError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        opened = sum(pool.map(begin, range(12)))

    assert opened == 3
    assert recoveries.service.argon2.derivations - work == 3


def test_two_key_services_at_once_open_no_more_than_the_limit(vault: Vault, recoveries: Recoveries) -> None:
    """Neither sees what the other is opening; the count in the transaction does."""
    login, blind = nobody(), Recoveries(vault, recoveries.service)
    real = recoveries.service.openings

    class Blind:
        def hold(self, *_: object) -> object:
            return real.hold(*_now_empty(_))  # type: ignore[arg-type]

    def _now_empty(arguments: tuple[object, ...]) -> tuple[object, ...]:
        there, *rest = arguments
        return (replace(there, open=0, today=0, this_hour=0), *rest)  # type: ignore[type-var]

    blind.service = replace(recoveries.service, openings=Blind())  # type: ignore[arg-type]
    for _ in range(3):
        blind.begin(login)

    with pytest.raises(TooManyCasesError):
        blind.begin(login)


def test_what_expired_or_was_vetoed_makes_room(vault: Vault, kms: KmsClient, recoveries: Recoveries) -> None:
    login = enrol(vault, kms).login
    cases = [recoveries.begin(login).case_id for _ in range(3)]
    recoveries.veto("ana", cases[0])
    recoveries.begin(login)
    recoveries.service = later(recoveries.service, days=8)

    assert recoveries.begin(login)


def test_a_sixth_in_a_day_is_refused_and_a_vetoed_one_does_not_count(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    recoveries.service = with_limits(recoveries.service, open_per_login=100)
    login = enrol(vault, kms).login
    cases = [recoveries.begin(login).case_id for _ in range(5)]

    with pytest.raises(TooManyCasesError) as refused:
        recoveries.begin(login)
    assert refused.value.retry_after_s == pytest.approx(86_400, abs=120)
    recoveries.veto("bob", cases[2])
    assert recoveries.begin(login)
    with pytest.raises(TooManyCasesError):
        recoveries.begin(login)


def test_whoever_floods_a_login_through_one_app_locks_nobody_out_of_another(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    """The help desk asks through an app of its own: one case of each login is its own to open."""
    help_desk = vault.create_app(f"help desk {new_uuid().hex[-6:]}")
    login = enrol(vault, kms).login
    for _ in range(3):
        recoveries.begin(login)

    assert recoveries.begin(login, app_key=help_desk)
    with pytest.raises(TooManyCasesError):
        recoveries.begin(login, app_key=help_desk)


def test_an_app_asks_for_so_many_in_an_hour(vault: Vault, recoveries: Recoveries) -> None:
    app_key = vault.create_app(f"busy {new_uuid().hex[-6:]}")
    recoveries.service = with_limits(recoveries.service, per_app_per_hour=2)
    for _ in range(2):
        recoveries.begin(nobody(), app_key=app_key)

    with pytest.raises(TooManyCasesError) as refused:
        recoveries.begin(nobody(), app_key=app_key)

    assert refused.value.retry_after_s == pytest.approx(3600, abs=120)
    recoveries.service = later(recoveries.service, hours=1, seconds=1)
    assert recoveries.begin(nobody(), app_key=app_key)


def test_a_clock_that_had_jumped_ahead_locks_nobody_out(recoveries: Recoveries) -> None:
    now, login = recoveries.service, nobody()
    recoveries.service = with_limits(later(now, days=4000), open_per_login=100)
    for _ in range(5):
        recoveries.begin(login)
    recoveries.service = with_limits(now, open_per_login=100)

    assert recoveries.begin(login)


def test_an_undecided_case_expires_decoys_too_and_only_once(
    vault: Vault, kms: KmsClient, recoveries: Recoveries
) -> None:
    case, decoy = recoveries.of(enrol(vault, kms)).case_id, recoveries.begin(nobody()).case_id
    now, recoveries.service = recoveries.service, later(recoveries.service, days=8)

    assert [recoveries.status(each) for each in (case, decoy)] == [
        "expired",
        "expired",
    ]  # before it is written
    assert expire_cases(recoveries.service) >= 2
    recoveries.service = now
    assert [recoveries.status(each) for each in (case, decoy)] == ["expired", "expired"]
    assert (
        recoveries.events(case) == recoveries.events(decoy) == [KeysEvent.CASE_OPENED, KeysEvent.CASE_EXPIRED]
    )
    assert recoveries.told(decoy) == [("app", "opened"), ("app", "expired")]
    assert recoveries.told(case)[-2:] == [("app", "expired"), ("officers", "expired")]
    assert expire_cases(now) == 0


def test_nothing_under_the_new_password_outlives_a_case(vault: Vault, recoveries: Recoveries) -> None:
    case = recoveries.begin(nobody()).case_id
    recoveries.veto("ana", case)

    with vault.keys.superuser() as conn:
        assert conn.execute("SELECT 1 FROM regain_keys WHERE case_id = %s", (case,)).fetchone() is None
