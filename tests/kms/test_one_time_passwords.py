"""One-time passwords: reissued until one was used, and never afterwards."""

import pytest

from tests.promises.inside import rows_of
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.domain.errors import LoginRefusedError, LoginTakenError, WeakPasswordError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.rotation_errors import DataKeyChangeRefusedError
from vault_service.domain.tokens import new_one_time_password
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import ChangePassword, Enrol, Enrolled, EpochIs
from vault_service.kms.protocol.rotation_messages import AddDataKey, DataKeyAdded


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

    kinds = [row.columns["kind"] for row in rows_of(vault.keys, "audit_events", person.user)]
    assert kinds.count(int(KeysEvent.ENROL_REFUSED)) == 1
    assert person.unlock().dek == dek


def test_only_a_one_time_password_is_redeemed(vault: Vault, kms: KmsClient) -> None:
    """Redeeming needs no app key: it must be no way to try the passwords that people chose."""
    person = enrol(vault, kms)

    with pytest.raises(LoginRefusedError):
        kms.call(ChangePassword(person.user, person.password, PASSWORD + " anew", one_time=True), EpochIs)

    assert person.unlock().epoch == 1


def mark(person: Person, must_change: bool) -> None:
    """As a superuser of the keys database: no wrap binds the mark."""
    with person.vault.keys.superuser() as conn:
        conn.execute(
            "UPDATE credentials SET must_change = %(must)s WHERE user_id = %(user)s",
            {"must": must_change, "user": person.user},
        )


def test_whoever_clears_its_mark_in_the_database_does_not_make_it_last(
    vault: Vault, kms: KmsClient, request_: Enrol
) -> None:
    """Its own form says what it is, in whatever spelling."""
    person = brought(vault, kms, request_)
    while "K" not in person.password:
        person = brought(vault, kms, request_)
    mark(person, must_change=False)

    assert person.unlock().must_change
    assert person.unlock(person.password.replace("K", "\N{KELVIN SIGN}")).must_change
    with pytest.raises(DataKeyChangeRefusedError, match="one-time"):
        kms.call(AddDataKey(person.user, person.password), DataKeyAdded)


def test_whoever_sets_the_mark_opens_no_way_to_try_what_people_chose(vault: Vault, kms: KmsClient) -> None:
    """Redeeming needs no app key."""
    person = enrol(vault, kms)
    mark(person, must_change=True)

    with pytest.raises(LoginRefusedError):
        kms.call(ChangePassword(person.user, person.password, PASSWORD + " anew", one_time=True), EpochIs)

    assert person.unlock().epoch == 1


def test_nobody_keeps_a_one_time_password_by_choosing_it_or_another_one(
    vault: Vault, kms: KmsClient, request_: Enrol
) -> None:
    person = brought(vault, kms, request_)
    for chosen in (person.password, new_one_time_password()):
        with pytest.raises(WeakPasswordError, match="one-time"):
            person.change_password(chosen)
