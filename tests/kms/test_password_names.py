"""A password is judged by what an attacker knows of the person and the service, whenever it is chosen."""

import pytest

from tests.rig.people import enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import WeakPasswordError
from vault_service.domain.ids import new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangePassword, Enrol, Enrolled, EpochIs

APP_NAME = "Quorvelle-Zymbrask"  # no word of any list
OF_THE_APP = "Quorvelle Zymbrask!"


@pytest.fixture
def app_key(vault: Vault) -> str:
    return vault.create_app(f"{APP_NAME}-{new_uuid().hex[-6:]}")


def test_a_first_password_made_of_the_apps_name_is_refused(kms: KmsClient, app_key: str) -> None:
    request = Enrol(app_key, new_uuid(), f"{new_uuid().hex}@example.org", OF_THE_APP)
    with pytest.raises(WeakPasswordError, match="service"):
        kms.call(request, Enrolled)


def test_a_later_password_made_of_the_apps_name_is_refused(
    vault: Vault, kms: KmsClient, app_key: str
) -> None:
    assert app_key
    person = enrol(vault, kms)

    with pytest.raises(WeakPasswordError, match="service"):
        person.change_password(OF_THE_APP)


def test_an_invited_person_cannot_choose_it_either(kms: KmsClient, app_key: str) -> None:
    user = new_uuid()
    invited = kms.call(Enrol(app_key, user, f"{new_uuid().hex}@example.org"), Enrolled)
    assert invited.one_time_password is not None

    with pytest.raises(WeakPasswordError, match="service"):
        kms.call(ChangePassword(user, invited.one_time_password, OF_THE_APP, one_time=True), EpochIs)

    redeemed = kms.call(ChangePassword(user, invited.one_time_password, PASSWORD, one_time=True), EpochIs)
    assert redeemed.epoch == 2
