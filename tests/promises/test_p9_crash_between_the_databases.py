"""P9: a crash at any instruction loses nothing acknowledged and locks nobody out.

Here the API dies (kill -9) after each step of each flow over both databases: a round trip to the
records database or a call of the key service. The key service's own steps are killed in
tests/kms/test_kill_at_each_step.py.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.promises.inside import rows_of
from tests.promises.killed import Check, kill_at_each_step
from tests.rig.vault import PASSWORD, Vault, settings_of
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.repair import repair_intents
from vault_service.accounts.service import utc_now
from vault_service.bootstrap.api import build_accounts
from vault_service.domain.errors import LoginRefusedError, SessionRefusedError
from vault_service.domain.ids import RecordId, UserId
from vault_service.domain.tokens import SessionToken
from vault_service.kms.protocol.messages import Epoch, EpochIs
from vault_service.records.store import RecordStore

pytestmark = pytest.mark.slow

NEW_PASSWORD = "nine lanterns behind the old mill"
FIELDS = b'{"title": "plums",   "text": "four kilos"}'
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Survivors:
    """The other processes of the vault, which live on: another API host, and the worker."""

    vault: Vault
    accounts: Accounts
    store: RecordStore

    def login(self) -> str:
        return f"crash-{next(_numbers)}@example.org"

    def person(self) -> "Person":
        login = self.login()
        user = self.accounts.sign_up(self.vault.app_key, login, PASSWORD, None).user_id
        tokens = [self.sign_in(login, PASSWORD) for _ in range(2)]
        record, _ = self.store.create(tokens[0], "note", FIELDS)
        return Person(self, login, user, tokens[0], tokens[1], record.record)

    def sign_in(self, login: str, password: str) -> SessionToken:
        return self.accounts.sign_in(self.vault.app_key, login, password).token

    def opens(self, login: str, password: str) -> SessionToken | None:
        try:
            return self.sign_in(login, password)
        except LoginRefusedError:
            return None

    def repair(self) -> None:
        """What the worker does later on; to it, an hour has passed."""
        repair_intents(replace(self.accounts.parts, now=lambda: utc_now() + timedelta(hours=1)))


@dataclass(frozen=True)
class Person:
    """Somebody signed in twice, with one record."""

    all: Survivors
    login: str
    user: UserId
    token: SessionToken
    elsewhere: SessionToken
    record: RecordId

    def reads(self, token: SessionToken) -> bool:
        """Whether the session lives; if it does, the record must be as it was."""
        try:
            found = self.all.store.read(token, self.record)
        except SessionRefusedError:
            return False
        assert found.fields == FIELDS
        return True

    def traces(self) -> dict[str, int]:
        """How many rows each database holds of this person, the trails apart."""
        records = ("users", "sessions", "records", "record_tags", "intents")
        keys = ("users", "logins", "credentials", "deks", "escrow_wraps")
        vault = self.all.vault
        return {f"records.{table}": len(rows_of(vault.records, table, self.user)) for table in records} | {
            f"keys.{table}": len(rows_of(vault.keys, table, self.user)) for table in keys
        }


@pytest.fixture(scope="module")
def survivors(vault: Vault) -> Iterator[Survivors]:
    accounts, policies = build_accounts(settings_of(vault))
    yield Survivors(vault, accounts, RecordStore(accounts.parts.db, policies))
    accounts.parts.db.close()


@pytest.mark.parametrize("repaired_first", [True, False], ids=["repaired", "not yet repaired"])
def test_after_a_killed_password_change_exactly_one_password_opens(
    survivors: Survivors, repaired_first: bool
) -> None:
    def begin(step: int) -> tuple[dict[str, Any], Check]:
        who = survivors.person()

        def check(done: bool) -> None:
            if repaired_first:
                survivors.repair()
            new = survivors.opens(who.login, NEW_PASSWORD)
            lives = who.reads(who.elsewhere)
            old = survivors.opens(who.login, PASSWORD)
            assert (old is None) != (new is None), f"killed after step {step}"
            assert new or not done
            assert who.reads(new or old or who.token)
            assert lives == (new is None), "sessions of the old password end, and only those"
            survivors.repair()
            assert who.traces()["records.intents"] == 0

        return {
            "flow": "change_password", "token": who.token.reveal(), "current": PASSWORD, "new": NEW_PASSWORD,
        }, check  # fmt: skip

    assert kill_at_each_step(survivors.vault, begin) > 5


def test_after_a_killed_redemption_the_one_time_password_or_the_new_one_opens(survivors: Survivors) -> None:
    def begin(step: int) -> tuple[dict[str, Any], Check]:
        login = survivors.login()
        made = survivors.accounts.sign_up(survivors.vault.app_key, login, None, None)
        once = made.one_time_password
        assert once is not None

        def check(done: bool) -> None:
            survivors.repair()
            if survivors.opens(login, NEW_PASSWORD) is None:
                assert not done, f"killed after step {step}"
                survivors.accounts.redeem_one_time_password(made.user_id, once, NEW_PASSWORD)
                assert survivors.opens(login, NEW_PASSWORD)
            assert survivors.opens(login, once) is None

        return {
            "flow": "redeem_one_time_password", "user": str(made.user_id), "one_time": once,
            "new_password": NEW_PASSWORD,
        }, check  # fmt: skip

    assert kill_at_each_step(survivors.vault, begin) > 4


def test_after_a_killed_change_of_login_exactly_one_login_opens(survivors: Survivors) -> None:
    def begin(step: int) -> tuple[dict[str, Any], Check]:
        who, renamed = survivors.person(), survivors.login()

        def check(done: bool) -> None:
            tokens = [survivors.opens(login, PASSWORD) for login in (who.login, renamed)]
            opened = [token for token in tokens if token]
            assert len(opened) == 1, f"killed after step {step}"
            assert tokens[1] or not done
            assert who.reads(opened[0])
            assert who.reads(who.token), "sessions go on"

        return {
            "flow": "change_login", "token": who.token.reveal(), "password": PASSWORD, "new_login": renamed,
        }, check  # fmt: skip

    assert kill_at_each_step(survivors.vault, begin) > 3


def test_after_a_killed_erasure_the_user_is_whole_or_gone_on_both_sides(survivors: Survivors) -> None:
    def begin(step: int) -> tuple[dict[str, Any], Check]:
        who = survivors.person()
        before = who.traces()

        def check(done: bool) -> None:
            survivors.repair()
            there = survivors.accounts.parts.kms.call(Epoch(who.user), EpochIs).epoch is not None
            assert not (there and done)
            assert who.traces() == (before if there else dict.fromkeys(before, 0)), (
                f"killed after step {step}"
            )
            assert who.reads(who.token) == there
            assert bool(survivors.opens(who.login, PASSWORD)) == there

        return {"flow": "erase", "token": who.token.reveal(), "password": PASSWORD}, check

    assert kill_at_each_step(survivors.vault, begin) > 6


def test_a_killed_sign_up_can_be_repeated_with_its_key(survivors: Survivors) -> None:
    def begin(step: int) -> tuple[dict[str, Any], Check]:
        request = {
            "app_key": survivors.vault.app_key, "login": survivors.login(), "password": PASSWORD,
            "idempotency_key": f"key-{next(_numbers)}",
        }  # fmt: skip

        def check(done: bool) -> None:
            del done
            first = survivors.accounts.sign_up(**request).user_id
            assert survivors.accounts.sign_up(**request).user_id == first
            token = survivors.opens(request["login"], PASSWORD)
            assert token is not None, f"killed after step {step}"
            assert token.user == first
            record, _ = survivors.store.create(token, "note", FIELDS)
            assert survivors.store.read(token, record.record).fields == FIELDS

        return {"flow": "sign_up", **request}, check

    assert kill_at_each_step(survivors.vault, begin) > 4


def test_a_killed_sign_up_leaves_a_user_who_can_sign_in_or_a_login_that_is_free(survivors: Survivors) -> None:
    """Whoever has no key to repeat it with is not locked out of the login either."""

    def begin(step: int) -> tuple[dict[str, Any], Check]:
        login = survivors.login()
        request = {"app_key": survivors.vault.app_key, "login": login, "password": PASSWORD}

        def check(done: bool) -> None:
            if survivors.opens(login, PASSWORD) is None:
                assert not done, f"killed after step {step}"
                survivors.accounts.sign_up(**request, idempotency_key=None)
                assert survivors.opens(login, PASSWORD)

        return {"flow": "sign_up", **request, "idempotency_key": None}, check

    assert kill_at_each_step(survivors.vault, begin) > 4


def test_a_killed_sign_in_costs_nothing(survivors: Survivors) -> None:
    who = survivors.person()

    def begin(step: int) -> tuple[dict[str, Any], Check]:
        def check(done: bool) -> None:
            del done
            assert survivors.opens(who.login, PASSWORD), f"killed after step {step}"
            assert who.reads(who.token)

        return {
            "flow": "sign_in", "app_key": survivors.vault.app_key, "login": who.login, "password": PASSWORD,
        }, check  # fmt: skip

    assert kill_at_each_step(survivors.vault, begin) > 3
