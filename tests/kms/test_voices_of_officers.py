"""Who is heard: persons of the manifest as it is now, each once, and never about themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kms.casework import CaseFile, ceremony_in, open_disclosure
from tests.kms.chains import endorse, follow, genesis, key_service, officer, put
from tests.rig.officers import decide, hand_in
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.crypto.manifest_chain import SignedManifest
from vault_service.domain.errors import ManifestError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import Authenticator, Manifest, manifest_signing_input
from vault_service.domain.recovery_errors import QuorumNotMetError
from vault_service.kms.service import KeyService

SECOND_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
SECOND = Authenticator(UUID(int=77), "key-file", SECOND_KEY.public_key().public_bytes_raw().hex())


@pytest.fixture(scope="module")
def changing(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault of this module's own: its manifest goes on from test to test."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="module")
def voices(changing: Vault) -> Iterator[KeyService]:
    with key_service(changing) as service:
        yield service


@pytest.fixture(scope="module")
def person(changing: Vault) -> Person:
    return enrol(changing, kms_of(changing))


@pytest.fixture
def file(changing: Vault, voices: KeyService, person: Person) -> CaseFile:
    return open_disclosure(changing, voices, person)


def change(file: CaseFile, manifest: Manifest, *endorsers: str, reload: bool = True) -> None:
    """As a quorum of officers does it; without endorsements, as a superuser with the online token's help."""
    body, service = manifest.encode(), file.service
    signature = service.keyring.token.sign("manifest/1", manifest_signing_input(body))
    endorsements = tuple(endorse(officer(file.vault, name), manifest) for name in endorsers)
    put(file.vault, SignedManifest(body, signature, endorsements))
    if reload:
        service.manifests.look()


def with_officers(file: CaseFile, **changes: Mapping[str, object]) -> Manifest:
    """The next manifest, some officers changed by name."""
    now = file.service.manifests.current()
    officers = tuple(msgspec.structs.replace(each, **changes.get(each.name, {})) for each in now.officers)
    return follow(now, officers=officers)


def refused(file: CaseFile) -> bool:
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    try:
        ceremony.peel(file.case.case_id)
    except QuorumNotMetError:
        assert file.events[-1] is KeysEvent.PEEL_REFUSED
        return True
    return False


def test_one_person_with_two_authenticators_is_one_voice(file: CaseFile) -> None:
    ana = officer(file.vault, "ana")
    now = file.service.manifests.current().officers[0]
    both = {"authenticators": (*now.authenticators, SECOND)}
    change(file, with_officers(file, ana=both), "ana", "bob")

    second = replace(ana, authenticator=SECOND.authenticator_id, signing=SECOND_KEY)
    hand_in(file.vault, file.case.case_id, decide(ana, file.body), decide(second, file.body))

    assert refused(file)
    file.approve("bob")
    assert not refused(file)


def test_a_person_who_was_renamed_between_two_signatures_is_one_voice(file: CaseFile) -> None:
    file.approve("ana")
    change(file, with_officers(file, ana={"name": "Ana Maria"}), "ana", "bob")
    file.approve("ana")

    assert refused(file)


def test_the_subject_has_no_voice_about_their_own_account(file: CaseFile, person: Person) -> None:
    change(file, with_officers(file, cleo={"user_ids": (person.user,)}), "ana", "bob")
    file.approve("cleo", "bob")

    assert refused(file)
    change(file, with_officers(file, cleo={"user_ids": ()}), "ana", "bob")
    assert not refused(file)


def test_a_person_without_the_role_has_no_voice(file: CaseFile) -> None:
    roles = file.service.manifests.current().officers[2].roles
    change(file, with_officers(file, cleo={"roles": ("approver", "auditor")}), "ana", "bob")
    file.approve("cleo", "bob")

    assert refused(file)
    change(file, with_officers(file, cleo={"roles": roles}), "ana", "bob")


def test_an_officer_who_was_removed_is_heard_no_more_not_even_for_what_was_approved_before(
    file: CaseFile,
) -> None:
    file.approve("cleo", "bob")
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    ceremony.peel(file.case.case_id)
    now = file.service.manifests.current()
    change(file, follow(now, officers=now.officers[:2]), "ana", "bob", reload=False)

    with pytest.raises(QuorumNotMetError):  # at once, by looking again
        ceremony.complete(file.case.case_id, digest=bytes(32))
    assert file.state == "executing"
    change(file, follow(file.service.manifests.current(), officers=now.officers), "ana", "bob")
    assert ceremony.complete(file.case.case_id, digest=bytes(32)).state == "executed"


FORGED_LINKS = ("a lower quorum", "an officer of the attacker's")


@pytest.mark.parametrize("forged", FORGED_LINKS)
def test_a_link_that_no_quorum_endorsed_makes_no_officer_and_lowers_no_quorum(
    file: CaseFile, forged: str
) -> None:
    """Even one that the online token signed: root on the key service's host gets that far."""
    sound = file.service.manifests.current()
    if forged == "a lower quorum":
        quorum = msgspec.structs.replace(sound.quorum, disclosure=2, base=2)
        manifest = follow(sound, quorum=quorum, officers=sound.officers[:2])
    else:
        mallory = msgspec.structs.replace(
            sound.officers[1], authenticators=(SECOND_OF_MALLORY,), officer_id=new_uuid(), name="mallory",
            share_key="9f" * 1216,
        )  # fmt: skip
        manifest = follow(sound, officers=(*sound.officers, mallory))
    file.approve("ana", "bob")
    change(file, manifest)

    with pytest.raises(ManifestError):
        ceremony_in(file.service).open(file.case.case_id)

    delete_since(file.vault, manifest.serial)
    file.service.manifests.look()
    assert not refused(file)


SECOND_OF_MALLORY = Authenticator(
    UUID(int=78), "key-file", Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
)


def delete_since(vault: Vault, serial: int) -> None:
    with vault.keys.superuser() as conn:
        conn.execute("ALTER TABLE manifests DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM manifests WHERE serial >= %s", (serial,))


def test_a_case_of_an_earlier_manifest_is_judged_by_the_one_of_today(file: CaseFile) -> None:
    assert file.case.manifest_serial == file.service.manifests.current().serial
    for _ in range(3):
        change(file, follow(file.service.manifests.current(), created_at="2026-11-27T00:00:00+00:00"))
    file.approve("ana", "bob")

    assert not refused(file)
    assert genesis(file.vault).serial == 1
