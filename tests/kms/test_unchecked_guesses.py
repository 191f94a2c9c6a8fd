"""A guess that was right, or not checked, counts for nothing; one that comes too late leaves its event."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from psycopg import sql

from tests.rig.people import Person, enrol
from tests.rig.postgres import TestDatabase
from tests.rig.vault import PASSWORD, Vault
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import (
    ConcurrentChangeError,
    LoginRefusedError,
    OverloadedError,
    ThrottledError,
    UnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Erase, Unlock
from vault_service.kms.protocol.recovery_messages import (
    CreateRecoveryCode,
    RecoveryCodeIs,
    RedeemRecoveryCode,
)
from vault_service.kms.service import KeyService
from vault_service.kms.users.erase import erase
from vault_service.kms.users.login_change import change_login
from vault_service.kms.users.recovery_code import create_recovery_code, redeem_recovery_code
from vault_service.kms.users.unlock import unlock
from vault_service.policy.rules import GuessRule
from vault_service.storage.keys.guesses import GuessCounted, count_guess, give_back_guess_at

RULE = GuessRule(free=4, first_wait_s=1.0, max_wait_s=900.0, lock_after=100)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
WRONG = "a wrong but long enough password"


def signing_in(vault: Vault, person: Person, password: str) -> Unlock:
    return Unlock(vault.app_key, person.login, password)


def test_trying_again_while_the_service_is_overloaded_locks_nobody_out(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    overloaded = replace(service, argon2=Argon2(budget_kib=1, queue_wait_s=0.01))
    for _ in range(7):
        with pytest.raises(OverloadedError):
            unlock(overloaded, signing_in(vault, person, person.password))

    assert person.opens_with(person.password)


def test_an_overload_gives_back_only_its_own_guess(vault: Vault, kms: KmsClient, service: KeyService) -> None:
    person = enrol(vault, kms)
    overloaded = replace(service, argon2=Argon2(budget_kib=1, queue_wait_s=0.01))
    for _ in range(4):
        with pytest.raises(LoginRefusedError):
            unlock(service, signing_in(vault, person, WRONG))
    with pytest.raises(OverloadedError):
        unlock(overloaded, signing_in(vault, person, WRONG))
    with pytest.raises(LoginRefusedError):
        unlock(service, signing_in(vault, person, WRONG))

    with pytest.raises(ThrottledError):
        unlock(service, signing_in(vault, person, person.password))


@contextmanager
def trail_away(vault: Vault) -> Iterator[None]:
    """Nobody may write events on the keys side."""
    columns = (
        "user_id, event_id, kind, at, app_id, unlock_id, epoch, login_index, digest, case_id, officer_id"
    )
    with vault.keys.superuser() as conn:
        conn.execute("REVOKE INSERT ON audit_events FROM vault_kms")
        try:
            yield
        finally:
            conn.execute(sql.SQL("GRANT INSERT ({}) ON audit_events TO vault_kms").format(sql.SQL(columns)))


Call = Callable[[KeyService, Person, str], object]
CALLS: dict[str, Call] = {
    "signing in": lambda service, who, _: unlock(service, signing_in(who.vault, who, who.password)),
    "erasing": lambda service, who, _: erase(service, Erase(who.user, who.password)),
    "another login": lambda service, who, _: change_login(
        service, ChangeLogin(who.user, who.password, f"moved-{who.login}")
    ),
    "another code": lambda service, who, _: create_recovery_code(
        service, CreateRecoveryCode(who.user, who.password)
    ),
    "using the code": lambda service, who, code: redeem_recovery_code(
        service, RedeemRecoveryCode(who.vault.app_key, who.login, code, PASSWORD + " anew")
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_was_right_and_could_not_be_finished_locks_nobody_out(
    vault: Vault, kms: KmsClient, service: KeyService, call: Call
) -> None:
    """The count is committed before, and what would have ended it is taken back."""
    person = enrol(vault, kms)
    code = kms.call(CreateRecoveryCode(person.user, person.password), RecoveryCodeIs).code
    with trail_away(vault):
        for _ in range(6):
            with pytest.raises(UnavailableError):
                call(service, person, code)

    assert person.opens_with(person.password)
    call(service, person, code)


def test_of_changes_at_once_those_that_come_too_late_lock_nobody_out(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)

    def meanwhile() -> None:
        with vault.keys.superuser() as conn:
            conn.execute(
                "UPDATE credentials SET credential_id = gen_random_uuid() WHERE user_id = %s", (person.user,)
            )

    changed = replace(service, argon2=_Interrupted(meanwhile))
    for _ in range(6):
        with pytest.raises(ConcurrentChangeError):
            erase(changed, Erase(person.user, person.password))

    assert person.opens_with(PASSWORD)


def test_a_guess_that_is_given_back_does_not_shorten_the_wait_that_a_later_one_earned(
    keys_db: TestDatabase,
) -> None:
    db, index = keys_db.open("vault_kms", size=1), bytes(32)
    with db.transaction() as conn:
        for _ in range(4):
            count_guess(conn, index, RULE, NOW)
        early = count_guess(conn, index, RULE, NOW)
        late = count_guess(conn, index, RULE, NOW + timedelta(seconds=1))
        assert isinstance(early, GuessCounted)
        assert isinstance(late, GuessCounted)

        give_back_guess_at(conn, (index,), early, NOW + timedelta(seconds=1))

        row = conn.execute("SELECT failures, not_before FROM guesses").fetchone()
    assert row == (5, NOW + timedelta(seconds=3))
    db.close()


def test_a_clock_that_had_jumped_ahead_keeps_nobody_waiting_for_years(keys_db: TestDatabase) -> None:
    db, index = keys_db.open("vault_kms", size=1), bytes(32)
    with db.transaction() as conn:
        for _ in range(5):
            count_guess(conn, index, RULE, NOW + timedelta(days=3650))

        assert count_guess(conn, index, RULE, NOW) == GuessCounted(6)
    db.close()


def test_of_several_sign_ins_at_once_none_is_refused_because_its_clock_was_read_first(
    keys_db: TestDatabase,
) -> None:
    db, index = keys_db.open("vault_kms", size=1), bytes(32)
    with db.transaction() as conn:
        for ms in (30, 20, 10, 0):
            counted = count_guess(conn, index, RULE, NOW + timedelta(milliseconds=ms))
            assert isinstance(counted, GuessCounted)
    db.close()


class _Interrupted(Argon2):
    """Lets something happen between the reading of a row and the use of what it opens."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__(budget_kib=65_536, queue_wait_s=5)
        self._meanwhile = meanwhile

    def derive(self, password: str, salt: bytes, params: KdfParams, *, wait: bool = True) -> bytes:
        key = super().derive(password, salt, params, wait=wait)
        self._meanwhile()
        return key


def test_a_password_that_was_changed_meanwhile_opens_nothing_and_the_refusal_is_evidence(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    old = person.password
    slow = replace(service, argon2=_Interrupted(lambda: person.change_password(PASSWORD + " anew")))

    with pytest.raises(LoginRefusedError):
        unlock(slow, signing_in(vault, person, old))

    with vault.keys.superuser() as conn:
        kinds = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %s ORDER BY event_id", (person.user,)
        ).fetchall()
    assert [KeysEvent(int(str(kind))) for (kind,) in kinds] == [
        KeysEvent.USER_ENROLLED,
        KeysEvent.PASSWORD_CHANGED,
        KeysEvent.UNLOCK_REFUSED,
    ]
