"""P9 of recovery: a crash at any step of what crosses from the keys side to the records side.

A recovery code changes the password there first; what officers did is followed by the worker. Either dies
(kill -9) after each step; what lives on puts it right.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.accounts.followed import Followed, followed
from tests.promises.inside import rows_of
from tests.promises.killed import Check, kill_at_each_step
from tests.promises.test_p9_crash_between_the_databases import NEW_PASSWORD, Survivors
from tests.promises.test_p9_crash_between_the_databases import survivors as survivors
from tests.rig.leaves import make_leaves, with_leaves
from tests.rig.people import kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.follow import follow_keys
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.kms.protocol.recovery_messages import CreateRecoveryCode, RecoveryCodeIs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def log(vault: Vault) -> Iterator[Followed]:
    with with_leaves(vault.keys), followed(vault) as log:
        yield log


def test_after_a_killed_redemption_of_a_code_exactly_one_password_opens_and_no_old_session_lives(
    survivors: Survivors, log: Followed
) -> None:
    with closing(kms_of(survivors.vault)) as kms:
        begun = {"flow": "redeem_recovery_code", "app_key": survivors.vault.app_key}

        def begin(step: int) -> tuple[dict[str, Any], Check]:
            who = survivors.person()
            code = kms.call(CreateRecoveryCode(who.user, PASSWORD), RecoveryCodeIs).code

            def check(done: bool) -> None:
                make_leaves(survivors.vault.keys)
                follow_keys(log.worker)
                new = survivors.opens(who.login, NEW_PASSWORD)
                old = survivors.opens(who.login, PASSWORD)
                assert (old is None) != (new is None), f"killed after step {step}"
                assert new or not done
                assert who.reads(who.elsewhere) == (new is None)
                assert who.reads(new or old or who.token)
                left = len(rows_of(survivors.vault.keys, "recovery_codes", who.user))
                assert left == (0 if new else 1)
                assert told(survivors.vault, who.user, RecordsEvent.PASSWORD_CHANGED) == (1 if new else 0)

            return {**begun, "login": who.login, "code": code, "new_password": NEW_PASSWORD}, check

        assert kill_at_each_step(survivors.vault, begin) > 4


def test_a_killed_worker_has_followed_everything_once_in_the_end(log: Followed) -> None:
    make_leaves(log.vault.keys)
    follow_keys(log.worker)

    def begin(step: int) -> tuple[dict[str, Any], Check]:
        ana, bob = log.person(), log.person()
        ana.raise_epoch()
        bob.destroy_wraps()
        ana.officers(KeysEvent.ACCESS_REGAINED)
        bob.officers(KeysEvent.ERASED_BY_OFFICERS)
        ana.officers(KeysEvent.DATA_DISCLOSED)
        make_leaves(log.vault.keys)

        def check(done: bool) -> None:
            if not done:
                follow_keys(log.worker)
            assert rows_of(log.vault.records, "sessions", ana.user) == [], f"killed after step {step}"
            assert rows_of(log.vault.records, "users", bob.user) == []
            assert [
                told(log.vault, ana.user, RecordsEvent.ACCESS_REGAINED),
                told(log.vault, ana.user, RecordsEvent.DATA_DISCLOSED),
                told(log.vault, bob.user, RecordsEvent.ERASED_BY_OFFICERS),
            ] == [1, 1, 1]

        return {"flow": "follow_keys"}, check

    assert kill_at_each_step(log.vault, begin) > 12


def told(vault: Vault, user: object, kind: RecordsEvent) -> int:
    with vault.records.superuser() as conn:
        rows = conn.execute(
            "SELECT FROM audit_events WHERE user_id = %s AND kind = %s", (user, int(kind))
        ).fetchall()
    return len(rows)
