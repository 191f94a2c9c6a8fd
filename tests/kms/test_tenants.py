"""Tenants share a vault and nothing else: one login of two tenants is two people."""

import pytest

from tests.promises.inside import rows_of
from tests.rig.people import Person, enrol
from tests.rig.vault import PASSWORD, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.errors import IdempotencyConflictError, LoginRefusedError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import AppKeyIssued, CreateApp, Enrol, Enrolled, Unlock, Unlocked
from vault_service.settings import KmsClient as KmsClientSettings


@pytest.fixture
def other_tenants_app(vault: Vault) -> str:
    operator = kms_client(KmsClientSettings(url=vault.socket("operator")))
    try:
        return operator.call(CreateApp("shop", tenant=new_uuid().hex), AppKeyIssued).app_key
    finally:
        operator.close()


def test_one_login_of_two_tenants_is_two_people(vault: Vault, kms: KmsClient, other_tenants_app: str) -> None:
    mine, user = enrol(vault, kms), UserId(new_uuid())
    theirs = PASSWORD + " of somebody else"

    kms.call(Enrol(other_tenants_app, user, mine.login, theirs), Enrolled)

    assert mine.unlock().user_id == mine.user
    assert kms.call(Unlock(other_tenants_app, mine.login, theirs), Unlocked).user_id == user
    assert not mine.opens_with(theirs)


def test_another_tenants_app_opens_nobody_even_with_the_right_password(
    vault: Vault, kms: KmsClient, other_tenants_app: str
) -> None:
    person = enrol(vault, kms)

    with pytest.raises(LoginRefusedError):
        kms.call(Unlock(other_tenants_app, person.login, person.password), Unlocked)


def _retried_by(app: str, kms: KmsClient, person: Person) -> None:
    kms.call(Enrol(app, person.user, person.login, person.password), Enrolled)


def test_another_tenants_app_cannot_take_somebodys_sign_up_for_its_own(
    vault: Vault, kms: KmsClient, other_tenants_app: str
) -> None:
    person = enrol(vault, kms)
    _retried_by(vault.app_key, kms, person)

    with pytest.raises(IdempotencyConflictError):
        _retried_by(other_tenants_app, kms, person)

    kinds = [row.columns["kind"] for row in rows_of(vault.keys, "audit_events", person.user)]
    assert kinds.count(int(KeysEvent.ENROL_REFUSED)) == 1, "who tries ids leaves a trace"
