"""Enrol and unlock over the socket."""

from uuid import UUID

import pytest

from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import LoginRefusedError, LoginTakenError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangeLogin, Done, Enrol, Enrolled, Unlock, Unlocked


def test_who_signed_up_is_unlocked_by_login_and_password(vault: Vault, kms: KmsClient) -> None:
    user = new_uuid()
    kms.call(Enrol(vault.app_key, user, "first-of-all@example.net", PASSWORD), Enrolled)

    first = kms.call(Unlock(vault.app_key, " FIRST-of-all@example.net ", PASSWORD), Unlocked)
    second = kms.call(Unlock(vault.app_key, "first-of-all@example.net", PASSWORD), Unlocked)

    assert UUID(str(first.user_id)) == user
    assert first.dek == second.dek
    assert len(first.dek) == 32
    assert first.unlock_id != second.unlock_id


def test_a_login_is_taken_once(vault: Vault, kms: KmsClient) -> None:
    kms.call(Enrol(vault.app_key, new_uuid(), "taken-once@example.net", PASSWORD), Enrolled)

    with pytest.raises(LoginTakenError):
        kms.call(Enrol(vault.app_key, new_uuid(), "taken-once@example.net", PASSWORD + "!"), Enrolled)


@pytest.mark.parametrize("login", ["cleo@example.net", "nobody@example.net"])
def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(
    vault: Vault, kms: KmsClient, login: str
) -> None:
    if login.startswith("cleo"):
        kms.call(Enrol(vault.app_key, new_uuid(), login, PASSWORD), Enrolled)

    with pytest.raises(LoginRefusedError) as refused:
        kms.call(Unlock(vault.app_key, login, "not the password at all"), Unlocked)

    assert (refused.value.code, refused.value.detail) == ("login.refused", LoginRefusedError().detail)


def test_a_login_that_somebody_gave_up_is_free_for_others(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms)
    kms.call(ChangeLogin(person.user, person.password, f"moved-{person.login}"), Done)

    kms.call(Enrol(vault.app_key, UserId(new_uuid()), person.login, person.password), Enrolled)
