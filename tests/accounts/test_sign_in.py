"""Signing in keeps its limits."""

from dataclasses import replace

import msgspec
import pytest

from tests.accounts.conftest import Ana
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_in import sign_in
from vault_service.domain.errors import SessionRefusedError
from vault_service.domain.events import RecordsEvent
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
