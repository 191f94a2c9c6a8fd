"""The key service itself judges each password that somebody chooses, with what it knows of the person."""

import pytest

from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import WeakPasswordError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangePassword, Enrol, Enrolled, EpochIs

# Good for anybody whom it does not stand for: no pattern is in it but the name.
NAME = "xkqzvwjmpyhrtbnd"


def sign_up(app_key: str, kms: KmsClient, login: str, password: str) -> None:
    kms.call(Enrol(app_key, UserId(new_uuid()), login, password), Enrolled)


def test_the_password_of_a_sign_up_is_not_the_login(vault: Vault, kms: KmsClient) -> None:
    sign_up(vault.app_key, kms, "somebody-else-of-these@example.org", NAME)

    with pytest.raises(WeakPasswordError, match="login"):
        sign_up(vault.app_key, kms, f"{NAME}@example.org", NAME)


def test_nor_is_it_the_name_of_the_app_or_of_this_service(vault: Vault, kms: KmsClient) -> None:
    app = vault.create_app(NAME + "s")
    for password in (NAME + "s", "vault_service vault_service"):
        with pytest.raises(WeakPasswordError):
            sign_up(app, kms, f"{new_uuid().hex}@example.org", password)


def test_nor_is_a_new_one_the_login_which_the_key_service_opens_for_it(vault: Vault, kms: KmsClient) -> None:
    user = UserId(new_uuid())
    kms.call(Enrol(vault.app_key, user, f"{NAME}@example.com", PASSWORD), Enrolled)

    with pytest.raises(WeakPasswordError, match="login"):
        kms.call(ChangePassword(user, PASSWORD, NAME), EpochIs)


def test_a_new_password_is_another_one_in_whatever_spelling(vault: Vault, kms: KmsClient) -> None:
    person = enrol(vault, kms, PASSWORD + " caf\u00e9")

    with pytest.raises(WeakPasswordError, match="present"):
        person.change_password(PASSWORD + " cafe\u0301")
