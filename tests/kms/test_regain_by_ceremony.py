"""A forgotten password from the approvals on: peel, complete, first login; the data key stays."""

from tests.kms.casework import NEW_PASSWORD, open_regain, regain
from tests.rig.officers import ceremony_of, escrow_pin, manifest_of, sealed_for
from tests.rig.people import enrol
from tests.rig.vault import Vault
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.crypto.hpke import open_with
from vault_service.domain.contexts import EscrowContext
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService


def test_two_officers_and_the_escrow_token_give_access_again(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    before = person.unlock()
    file = open_regain(vault, service, person)
    file.approve("ana", "bob")
    service.keyring.token.close()  # two tokens are too many for one process
    ceremony, case = ceremony_of(vault), file.case.case_id

    ceremony.open(case)
    (wrap,) = ceremony.peel(case).wraps
    key = manifest_of(vault).escrow_key
    point = bytes.fromhex(key.public_key)
    place = EscrowContext(
        TenantId(wrap.tenant), UserId(wrap.user_id), DekId(wrap.dek_id), wrap.escrow_gen, point
    )
    assert wrap.wrap is not None
    with open_escrow_token(vault.place("escrow"), escrow_pin(vault, ("ana", "cleo"))) as token:
        dek = open_with(token.diffie_hellman("escrow/1"), point, place.encode(), wrap.wrap)
    ceremony.complete(case, sealed_dek=sealed_for(file.case, wrap, dek))

    assert not person.opens_with(person.password)
    after = person.unlock(NEW_PASSWORD)
    assert (after.dek, after.dek_id, after.epoch) == (before.dek, before.dek_id, before.epoch + 1)


def test_the_first_login_makes_an_ordinary_password_wrap(
    vault: Vault, kms: KmsClient, service: KeyService
) -> None:
    person = enrol(vault, kms)
    file = open_regain(vault, service, person)
    file.approve("ana", "bob")
    regain(file)
    assert kind_of(vault, person.user) == ("regain", 2)

    first = person.unlock(NEW_PASSWORD)

    assert kind_of(vault, person.user) == ("password", 2)
    assert person.unlock(NEW_PASSWORD).dek == first.dek == file.dek


def kind_of(vault: Vault, user: UserId) -> tuple[object, object]:
    with vault.keys.superuser() as conn:
        row = conn.execute(
            "SELECT kind, epoch FROM credentials WHERE user_id = %(user)s", {"user": user}
        ).fetchone()
    assert row is not None
    return row[0], row[1]
