"""A change across both databases ends right: slow, interrupted, doubled, or with a clock ahead."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import LiteralString, TypeVar

import pytest

from tests.accounts.conftest import Ana
from tests.accounts.state import intents, kinds, later, lives, rows
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.across import begin_intent
from vault_service.accounts.change_password import change_password, redeem_one_time_password
from vault_service.accounts.erase import erase
from vault_service.accounts.repair import GIVEN_UP_AFTER, SETTLED_AFTER, repair_intents
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_in import sign_in
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import (
    KmsUnavailableError,
    LoginRefusedError,
    OutcomeUnknownError,
    OverloadedError,
    WeakPasswordError,
)
from vault_service.domain.events import RecordsEvent
from vault_service.domain.tokens import SessionToken
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Answer, ChangePassword, Done, EpochIs, Erase, Request
from vault_service.settings import KmsClient as KmsClientSettings

_A = TypeVar("_A", bound=Answer)
NEW = PASSWORD + " and a newer one"


class _Interrupted(KmsClient):
    """The real client; something happens right before or right after the one call of that name."""

    def __init__(
        self,
        vault: Vault,
        call: str,
        *,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(KmsClientSettings(url=vault.socket("api")).url)
        self._name, self._before, self._after = call, before, after

    def call(self, request: Request, answer: type[_A]) -> _A:
        if request.name != self._name:
            return super().call(request, answer)
        self._before()
        try:
            return super().call(request, answer)
        finally:
            self._after()


# --- password


def test_a_change_of_password_ends_the_older_sessions_and_leaves_one_event(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    other = ana.sign_in()

    change_password(parts, ana.token, PASSWORD, NEW)

    assert not lives(parts, ana.token)
    assert not lives(parts, other)
    assert intents(vault, ana) == 0
    assert kinds(vault, ana).count(RecordsEvent.PASSWORD_CHANGED) == 1


def test_a_session_that_the_new_password_opened_survives_the_end_of_the_change(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """Between the key service's commit and ours somebody is quick; so is a repair a minute later."""
    opened: list[SessionToken] = []
    slow = _Interrupted(
        vault,
        "change_password",
        after=lambda: opened.append(sign_in(parts, vault.app_key, ana.login, NEW).token),
    )

    change_password(replace(parts, kms=slow), ana.token, PASSWORD, NEW)

    assert not lives(parts, ana.token)
    assert lives(parts, opened[0])
    slow.close()


def test_older_sessions_end_although_the_worker_had_given_up_a_slow_request(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """A worker whose clock is far ahead, or a request that hung: the intent is gone, the change is not."""
    ahead = later(parts, GIVEN_UP_AFTER + timedelta(seconds=5))
    slow = _Interrupted(vault, "change_password", before=lambda: repair_intents(ahead))

    change_password(replace(parts, kms=slow), ana.token, PASSWORD, NEW)

    assert not lives(parts, ana.token)
    assert kinds(vault, ana)[-2:] == [RecordsEvent.INTENT_REPAIRED, RecordsEvent.PASSWORD_CHANGED]
    slow.close()


def test_a_change_whose_caller_gave_up_is_finished_after_a_minute(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    begin_intent(parts, ana.user, "password", 1)
    parts.kms.call(ChangePassword(ana.user, PASSWORD, NEW), EpochIs)

    repair_intents(parts)
    assert lives(parts, ana.token)
    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5)))

    assert not lives(parts, ana.token)
    assert intents(vault, ana) == 0
    assert kinds(vault, ana)[-1] is RecordsEvent.PASSWORD_CHANGED


def test_a_change_that_the_key_service_makes_late_still_ends_the_older_sessions(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """The key service was frozen, or its queue long: a minute later it has not done it, but then it does."""
    begin_intent(parts, ana.user, "password", 1)
    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5)))
    assert intents(vault, ana) == 1

    parts.kms.call(ChangePassword(ana.user, PASSWORD, NEW), EpochIs)
    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=10)))

    assert not lives(parts, ana.token)
    assert intents(vault, ana) == 0


def test_intents_that_must_wait_hold_up_no_other(vault: Vault, parts: AccountParts, ana: Ana) -> None:
    """After an outage of the key service there may be hundreds of which nobody knows yet."""
    with vault.records.superuser() as conn:
        conn.execute(
            """INSERT INTO intents SELECT %s, gen_random_uuid(), 'erase', 1, now() - interval '30 s'
               FROM generate_series(1, 450)""",
            (ana.user,),
        )
    begin_intent(parts, ana.user, "password", 1)
    parts.kms.call(ChangePassword(ana.user, PASSWORD, NEW), EpochIs)

    assert repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5))) == 1

    assert not lives(parts, ana.token)
    assert intents(vault, ana) == 450


def test_a_change_that_never_happened_is_forgotten_and_changes_nothing(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    begin_intent(parts, ana.user, "password", 1)
    begin_intent(parts, ana.user, "erase", 1)

    repair_intents(later(parts, GIVEN_UP_AFTER + timedelta(seconds=5)))

    assert lives(parts, ana.token)
    assert intents(vault, ana) == 0
    assert kinds(vault, ana)[-2:] == [RecordsEvent.INTENT_REPAIRED] * 2


def test_a_change_that_is_refused_leaves_no_intent_and_ends_no_session(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    with pytest.raises(LoginRefusedError):
        change_password(parts, ana.token, "not the password of anybody here", NEW)
    with pytest.raises(WeakPasswordError):
        change_password(parts, ana.token, PASSWORD, "password password")
    with pytest.raises(LoginRefusedError):
        erase(parts, ana.token, "not the password of anybody here")

    assert intents(vault, ana) == 0
    assert lives(parts, ana.token)
    assert kinds(vault, ana)[-1] == RecordsEvent.SESSION_OPENED


def test_of_two_crossing_changes_each_intent_is_settled(vault: Vault, parts: AccountParts, ana: Ana) -> None:
    begin_intent(parts, ana.user, "password", 1)
    begin_intent(parts, ana.user, "password", 1)
    parts.kms.call(ChangePassword(ana.user, PASSWORD, NEW), EpochIs)
    newer = sign_in(parts, vault.app_key, ana.login, NEW).token

    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5)))

    assert intents(vault, ana) == 0
    assert not lives(parts, ana.token)
    assert lives(parts, newer)


@pytest.mark.parametrize(
    "cut_short",
    ["DELETE FROM users WHERE user_id = %s", "UPDATE users SET epoch = 1 WHERE user_id = %s"],
    ids=["the sign-up", "its repetition"],
)
def test_of_a_one_time_password_that_was_never_redeemed_no_event_says_so(
    vault: Vault, parts: AccountParts, ana: Ana, cut_short: LiteralString
) -> None:
    """A crash left the floor missing or old on this side, another one stopped the redeeming."""
    login = f"once-{ana.login}"
    sign_up(parts, vault.app_key, login, None, ana.login)
    made = sign_up(parts, vault.app_key, login, None, ana.login)  # whose epoch is 2
    with vault.records.superuser() as conn:
        conn.execute(cut_short, (made.user_id,))

    def die() -> None:
        raise KmsUnavailableError

    dying = _Interrupted(vault, "change_password", before=die)
    assert made.one_time_password is not None
    with pytest.raises(OutcomeUnknownError):
        redeem_one_time_password(replace(parts, kms=dying), made.user_id, made.one_time_password, NEW)
    once = replace(ana, user=made.user_id)
    assert intents(vault, once) == 1

    repair_intents(later(parts, GIVEN_UP_AFTER + timedelta(seconds=5)))

    assert intents(vault, once) == 0
    assert RecordsEvent.PASSWORD_CHANGED not in kinds(vault, once)
    dying.close()


def test_without_memory_for_its_hash_a_password_is_not_changed_and_nothing_is_left_to_repair(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """Anybody can bring that about with one-time passwords: each would leave a row, and later an event."""

    def refuse() -> None:
        raise OverloadedError("memory for password hashing")

    full = _Interrupted(vault, "change_password", before=refuse)
    with pytest.raises(OverloadedError):
        change_password(replace(parts, kms=full), ana.token, PASSWORD, NEW)

    assert intents(vault, ana) == 0
    assert lives(parts, ana.token)
    full.close()


def test_an_old_wrap_put_back_opens_no_session(vault: Vault, parts: AccountParts, ana: Ana) -> None:
    """A superuser of the keys database who knows an old password: the floor of the other side refuses."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("CREATE TEMP TABLE kept AS SELECT * FROM credentials WHERE user_id = %s", (ana.user,))
        change_password(parts, ana.token, PASSWORD, NEW)
        conn.execute("DELETE FROM credentials WHERE user_id = %s", (ana.user,))
        conn.execute("INSERT INTO credentials SELECT * FROM kept")

    with pytest.raises(LoginRefusedError):
        sign_in(parts, vault.app_key, ana.login, PASSWORD)

    assert kinds(vault, ana)[-1] is RecordsEvent.SESSION_REFUSED
    assert rows(vault, ana) == 1


# --- erasure


def test_rows_go_although_the_worker_had_given_up_a_slow_erasure(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    ahead = later(parts, GIVEN_UP_AFTER + timedelta(seconds=5))
    slow = _Interrupted(vault, "erase", before=lambda: repair_intents(ahead))

    erase(replace(parts, kms=slow), ana.token, PASSWORD)

    assert rows(vault, ana) == 0
    assert kinds(vault, ana)[-1] is RecordsEvent.USER_ERASED
    slow.close()


def test_an_erasure_that_the_key_service_makes_late_still_ends_sessions_and_rows(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    begin_intent(parts, ana.user, "erase", 1)
    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=5)))
    parts.kms.call(Erase(ana.user, PASSWORD), Done)

    repair_intents(later(parts, SETTLED_AFTER + timedelta(seconds=10)))

    assert rows(vault, ana) == 0
    assert kinds(vault, ana)[-1] is RecordsEvent.USER_ERASED


def test_an_erasure_that_the_worker_finished_first_leaves_one_event(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    ahead = later(parts, SETTLED_AFTER + timedelta(seconds=5))
    slow = _Interrupted(vault, "erase", after=lambda: repair_intents(ahead))

    erase(replace(parts, kms=slow), ana.token, PASSWORD)

    assert kinds(vault, ana).count(RecordsEvent.USER_ERASED) == 1
    slow.close()


def test_who_is_erased_while_signing_in_gets_no_session_and_no_row(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """The DEK was opened before the wraps were destroyed; a session would outlive its user."""
    slow = _Interrupted(vault, "unlock", after=lambda: erase(parts, ana.token, PASSWORD))

    with pytest.raises(LoginRefusedError):
        sign_in(replace(parts, kms=slow), vault.app_key, ana.login, PASSWORD)

    assert rows(vault, ana) == 0
    assert kinds(vault, ana)[-2:] == [RecordsEvent.USER_ERASED, RecordsEvent.SESSION_REFUSED]
    slow.close()


FEW_AT_ONCE = (
    """CREATE FUNCTION few_at_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF (SELECT count(*) FROM gone) > 10000 THEN
           RAISE EXCEPTION 'as if its time were over' USING ERRCODE = 'query_canceled';
         END IF;
         RETURN NULL; END $$""",
    """CREATE TRIGGER few_at_once AFTER DELETE ON records REFERENCING OLD TABLE AS gone
       FOR EACH STATEMENT EXECUTE FUNCTION few_at_once()""",
)


def test_somebody_with_very_many_records_can_be_erased(vault: Vault, parts: AccountParts, ana: Ana) -> None:
    """Of 200,000 with four tags each, one statement deletes about half before its time is over."""
    with vault.records.superuser() as conn:
        for statement in FEW_AT_ONCE:
            conn.execute(statement)
        try:
            conn.execute(
                """INSERT INTO records
                   SELECT %s, gen_random_uuid(), 1, gen_random_uuid(), decode(repeat('00', 32), 'hex'), '',
                          now(), now() FROM generate_series(1, 20500)""",
                (ana.user,),
            )

            erase(parts, ana.token, PASSWORD)
        finally:
            conn.execute("DROP FUNCTION few_at_once CASCADE")
        assert conn.execute("SELECT count(*) FROM records WHERE user_id = %s", (ana.user,)).fetchone() == (0,)

    assert rows(vault, ana) == 0
    assert kinds(vault, ana)[-2:] == [RecordsEvent.SESSIONS_ENDED, RecordsEvent.USER_ERASED]


def test_an_erasure_that_crosses_a_change_of_records_is_finished_all_the_same(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """A batch holds one of the user's records while it adds another, for which it must hold the user too."""
    insert = """INSERT INTO records VALUES (%s, gen_random_uuid(), 1, gen_random_uuid(),
                  decode(repeat('00', 32), 'hex'), '', now(), now())"""
    with (
        vault.records.superuser() as batch,
        vault.records.superuser() as watch,
        ThreadPoolExecutor(1) as threads,
    ):
        batch.execute(insert, (ana.user,))
        with batch.transaction():
            batch.execute("SELECT FROM records WHERE user_id = %s FOR UPDATE", (ana.user,))
            erasing = threads.submit(erase, parts, ana.token, PASSWORD)
            while not watch.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                assert not erasing.done()
            batch.execute(insert, (ana.user,))
        erasing.result()

    assert rows(vault, ana) == 0
    assert kinds(vault, ana)[-1] is RecordsEvent.USER_ERASED


def test_an_unanswered_call_leaves_its_intent_and_says_that_nobody_knows(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    nowhere = replace(parts, kms=KmsClient(f"unix:{vault.home}/nobody-listens.sock"))

    with pytest.raises(OutcomeUnknownError):
        erase(nowhere, ana.token, PASSWORD)

    assert intents(vault, ana) == 1
    assert lives(parts, ana.token)
