"""One-time passwords: reissued until one was used, and never afterwards."""

import pytest

from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import LoginRefusedError, LoginTakenError
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.messages import ChangePassword, Enrol, Enrolled, EpochIs


def brought(vault: Vault, kms: KmsClient, request: Enrol) -> Person:
    one_time = kms.call(request, Enrolled).one_time_password
    assert one_time is not None
    return Person(vault, kms, UserId(request.user_id), request.login, one_time)


@pytest.fixture
def request_(vault: Vault) -> Enrol:
    return Enrol(vault.app_key, UserId(new_uuid()), f"brought-{new_uuid().hex}@example.org", None)


def test_a_retry_voids_the_one_before_and_counts_as_a_new_credential(
    vault: Vault, kms: KmsClient, request_: Enrol
) -> None:
    first, second = brought(vault, kms, request_), brought(vault, kms, request_)

    assert not first.opens_with(first.password)
    assert second.unlock().epoch == 2


def test_once_it_was_used_none_is_issued_any_more(vault: Vault, kms: KmsClient, request_: Enrol) -> None:
    """There is data under the key by now, and a new one-time password would come with a new key."""
    person = brought(vault, kms, request_)
    dek = person.unlock().dek

    with pytest.raises(LoginTakenError):
        kms.call(request_, Enrolled)

    assert person.unlock().dek == dek


def test_only_a_one_time_password_is_redeemed(vault: Vault, kms: KmsClient) -> None:
    """Redeeming needs no app key: it must be no way to try the passwords that people chose."""
    person = enrol(vault, kms)

    with pytest.raises(LoginRefusedError):
        kms.call(ChangePassword(person.user, person.password, PASSWORD + " anew", one_time=True), EpochIs)

    assert person.unlock().epoch == 1
