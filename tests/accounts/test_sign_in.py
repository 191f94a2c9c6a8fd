"""Signing in keeps its limits, and takes no older password that somebody put back."""

from dataclasses import replace

import msgspec
import pytest

from tests.accounts.conftest import Ana
from tests.accounts.state import kinds
from tests.promises.inside import rows_of
from tests.rig.put_back import backup_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.change_password import redeem_one_time_password
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_in import sign_in
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import LoginRefusedError, LoginTakenError, SessionRefusedError
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import new_uuid
from vault_service.sessions.open import open_session


def test_the_oldest_session_ends_when_there_would_be_too_many_and_that_is_an_event(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """Without a limit somebody with a password could fill the table of sessions."""
    two = msgspec.structs.replace(parts.policies.sessions, max_per_user=2)
    narrow = replace(parts, policies=msgspec.structs.replace(parts.policies, sessions=two))

    second, third = (sign_in(narrow, vault.app_key, ana.login, PASSWORD).token for _ in range(2))

    with pytest.raises(SessionRefusedError):
        open_session(parts.db, ana.token, parts.now())
    assert [open_session(parts.db, each, parts.now()).session for each in (second, third)] == [
        second.session,
        third.session,
    ]
    with vault.records.superuser() as conn:
        ended = conn.execute(
            "SELECT n FROM audit_events WHERE user_id = %s AND kind = %s",
            (ana.user, int(RecordsEvent.SESSIONS_ENDED)),
        ).fetchall()
    assert ended == [(1,)]


def test_a_one_time_password_that_was_used_and_put_back_is_not_redeemed_again(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """The app that brought the person has it still; the password that it would set had the epoch of now."""
    login = f"once-{ana.login}"
    made = sign_up(parts, vault.app_key, login, None, ana.login)
    assert made.one_time_password is not None
    put_back = backup_of(vault.keys, made.user_id)
    redeem_one_time_password(parts, made.user_id, made.one_time_password, PASSWORD)
    sign_in(parts, vault.app_key, login, PASSWORD)

    put_back()
    with pytest.raises(LoginRefusedError):
        redeem_one_time_password(parts, made.user_id, made.one_time_password, PASSWORD + " of a thief")

    assert kinds(vault, replace(ana, user=made.user_id))[-1] is RecordsEvent.SESSION_REFUSED
    left = [row.columns["kind"] for row in rows_of(vault.keys, "audit_events", made.user_id)]
    assert int(KeysEvent.WRAP_INTEGRITY_FAILED) not in left, "the key service was not even asked"
    assert [row.columns["epoch"] for row in rows_of(vault.keys, "credentials", made.user_id)] == [1]


def test_a_used_one_time_password_that_a_backup_brought_back_is_given_up_for_no_other(
    vault: Vault, parts: AccountParts, ana: Ana
) -> None:
    """The backup's trail knows of no later one; with the data key the records would go, for officers too."""
    login, key = f"again-{ana.login}", new_uuid().hex
    made = sign_up(parts, vault.app_key, login, None, key)
    assert made.one_time_password is not None
    put_back = backup_of(vault.keys, made.user_id)
    redeem_one_time_password(parts, made.user_id, made.one_time_password, PASSWORD)
    put_back()
    deks = rows_of(vault.keys, "deks", made.user_id)

    for _ in range(2):
        with pytest.raises(LoginTakenError):
            sign_up(parts, vault.app_key, login, None, key)

    assert rows_of(vault.keys, "deks", made.user_id) == deks
    assert kinds(vault, replace(ana, user=made.user_id))[-1] is RecordsEvent.SESSION_REFUSED
    left = [row.columns["kind"] for row in rows_of(vault.keys, "audit_events", made.user_id)]
    assert int(KeysEvent.WRAP_INTEGRITY_FAILED) not in left, "the key service was not even asked"
