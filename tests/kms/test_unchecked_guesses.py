"""A guess that could not be checked counts for nothing; one that came too late leaves its event."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.rig.people import Person, enrol
from tests.rig.postgres import TestDatabase
from tests.rig.vault import PASSWORD, Vault
from vault_service.crypto.argon2 import Argon2
from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import LoginRefusedError, OverloadedError, ThrottledError
from vault_service.domain.events import KeysEvent
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Unlock
from vault_service.kms.service import KeyService
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
