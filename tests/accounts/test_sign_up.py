"""A sign-up that broke off is finished by its retry, whatever others do with its key meanwhile."""

from dataclasses import replace
from typing import TypeVar

import pytest

from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.erase import erase
from vault_service.accounts.service import AccountParts, hash_idempotency_key
from vault_service.accounts.sign_in import sign_in
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.errors import (
    AppKeyRefusedError,
    IdempotencyConflictError,
    KmsUnavailableError,
    LoginTakenError,
    OutcomeUnknownError,
    ThrottledError,
    WeakPasswordError,
)
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import Answer, Enrol, Enrolled, Request, Unlock, Unlocked
from vault_service.storage.records.sign_ups import begin_sign_up

_A = TypeVar("_A", bound=Answer)


def new_login() -> str:
    return f"person-{new_uuid().hex}@example.org"


def broken_off(vault: Vault, parts: AccountParts, login: str, key: str) -> UserId:
    """A sign-up whose API host died after the key service had made the user."""
    app = AppKey.parse(vault.app_key).app
    with parts.db.connection() as conn:
        user, _ = begin_sign_up(conn, app, hash_idempotency_key(key), UserId(new_uuid()), parts.now())
    parts.kms.call(Enrol(vault.app_key, user, login, PASSWORD), Enrolled)
    return user


def test_a_retry_finds_the_same_user(vault: Vault, parts: AccountParts) -> None:
    login, key = new_login(), new_uuid().hex
    user = broken_off(vault, parts, login, key)

    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user
    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user
    assert sign_in(parts, vault.app_key, login, PASSWORD).user_id == user


class _AnswerLost(KmsClient):
    """The real client; the key service has done its work, and its answer does not arrive."""

    def call(self, request: Request, answer: type[_A]) -> _A:
        super().call(request, answer)
        raise KmsUnavailableError("the key service")


def test_a_sign_up_whose_answer_was_lost_is_finished_by_its_retry(vault: Vault, parts: AccountParts) -> None:
    """Forgetting its id would make the retry somebody else, whose login is taken: by oneself."""
    login, key = new_login(), new_uuid().hex
    deaf = replace(parts, kms=_AnswerLost(vault.socket("api")))
    with pytest.raises(OutcomeUnknownError):
        sign_up(deaf, vault.app_key, login, PASSWORD, key)

    user = sign_up(parts, vault.app_key, login, PASSWORD, key).user_id

    assert sign_in(parts, vault.app_key, login, PASSWORD).user_id == user


def test_a_retry_with_another_password_learns_nothing_and_changes_nothing(
    vault: Vault, parts: AccountParts
) -> None:
    login, key = new_login(), new_uuid().hex
    user = broken_off(vault, parts, login, key)

    with pytest.raises(IdempotencyConflictError):
        sign_up(parts, vault.app_key, login, PASSWORD + " of somebody else", key)
    with pytest.raises(IdempotencyConflictError):
        sign_up(parts, vault.app_key, new_login(), PASSWORD, key)
    with pytest.raises(LoginTakenError):
        sign_up(parts, vault.app_key, login, None, key)

    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user


def test_a_refused_twin_does_not_make_the_retry_a_sign_up_of_somebody_else(
    vault: Vault, parts: AccountParts
) -> None:
    login, key = new_login(), new_uuid().hex
    user = broken_off(vault, parts, login, key)

    with pytest.raises(WeakPasswordError):
        sign_up(parts, vault.app_key, login, "aaaaaaaaaaaaaaaaaa", key)

    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user


def test_a_stranger_who_knows_the_app_and_guesses_the_key_forgets_nobodys_sign_up(
    vault: Vault, parts: AccountParts
) -> None:
    login, key = new_login(), "import-1"
    user = broken_off(vault, parts, login, key)
    real = AppKey.parse(vault.app_key)
    forged = AppKey(real.app, real.key, new_secret()).reveal()

    with pytest.raises(AppKeyRefusedError):
        sign_up(parts, forged, login, PASSWORD, key)

    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user


def test_a_retry_that_must_wait_is_still_a_retry_afterwards(vault: Vault, parts: AccountParts) -> None:
    login, key = new_login(), new_uuid().hex
    user = broken_off(vault, parts, login, key)
    with vault.keys.superuser() as conn:
        index = conn.execute("SELECT login_index FROM users WHERE user_id = %s", (user,)).fetchone()
        assert index is not None
        conn.execute("INSERT INTO guesses VALUES (%s, 9, now() + interval '10 min', now())", index)
        with pytest.raises(ThrottledError):
            sign_up(parts, vault.app_key, login, PASSWORD, key)
        conn.execute("DELETE FROM guesses WHERE login_index = %s", index)

    assert sign_up(parts, vault.app_key, login, PASSWORD, key).user_id == user


def test_a_key_whose_sign_up_was_refused_can_be_used_again(vault: Vault, parts: AccountParts) -> None:
    login, key = new_login(), new_uuid().hex
    with pytest.raises(WeakPasswordError):
        sign_up(parts, vault.app_key, login, "aaaaaaaaaaaaaaaaaa", key)

    user = sign_up(parts, vault.app_key, login, PASSWORD, key).user_id

    assert parts.kms.call(Unlock(vault.app_key, login, PASSWORD), Unlocked).user_id == user


def test_a_retry_after_the_user_was_erased_makes_nobody(vault: Vault, parts: AccountParts) -> None:
    login, key = new_login(), new_uuid().hex
    sign_up(parts, vault.app_key, login, PASSWORD, key)
    erase(parts, sign_in(parts, vault.app_key, login, PASSWORD).token, PASSWORD)

    for _ in range(2):
        with pytest.raises(IdempotencyConflictError):
            sign_up(parts, vault.app_key, login, PASSWORD, key)

    assert sign_up(parts, vault.app_key, login, PASSWORD, new_uuid().hex).user_id
