"""A change of officers: who approves it endorses the very manifest that is shown."""

import dataclasses

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.recovery.office import Office
from vault_service.cli.recovery_text import case_text
from vault_service.domain.manifest import Manifest, manifest_hash, manifest_signing_input
from vault_service.domain.recovery_errors import ApprovalRefusedError, CaseRefusedError
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.decide import submit


def proposal(office: Office, without: str) -> bytes:
    manifest: Manifest = office.acting("ana").manifest
    left = tuple(officer for officer in manifest.officers if officer.name != without)
    previous = manifest_hash(manifest.encode()).hex()
    return msgspec.structs.replace(
        manifest, serial=manifest.serial + 1, previous=previous, officers=left
    ).encode()


@pytest.fixture
def shown(office: Office) -> ShownCase:
    return office.open(kind="officer-change", manifest=proposal(office, "cleo"))


def test_an_approval_endorses_the_manifest_that_was_shown(office: Office, shown: ShownCase) -> None:
    done = office.approve("bob", shown)

    signed, bob = done.shown.decisions[0], office.acting("bob").officer
    assert shown.proposed is not None
    assert signed.endorsement is not None
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(bob.authenticators[0].public_key))
    key.verify(signed.endorsement, manifest_signing_input(shown.proposed))
    assert len(done.shown.judgement.approved_by) == 1


def test_what_would_be_another_way_is_said_in_words(office: Office, shown: ShownCase) -> None:
    text = case_text(shown, office.acting("ana").manifest, office.parts.now())

    _, change = text.split("It proposes manifest 2, after the present 1:\n")
    assert "cleo" in change.split("\n\n")[0]


def test_a_proposal_that_is_not_the_one_that_the_case_names_is_not_shown(
    office: Office, shown: ShownCase
) -> None:
    """A superuser exchanges it for one that removes somebody else."""
    office.sql(
        "UPDATE proposed_manifests SET body = %(body)s WHERE case_id = %(id)s",
        body=proposal(office, "bob"), id=shown.case.case_id,
    )  # fmt: skip

    with pytest.raises(CaseRefusedError):
        office.shown(shown.case.case_id)
    with pytest.raises(CaseRefusedError):
        office.approve("bob", shown)
    assert office.approvals(shown.case.case_id) == 0


def test_an_approval_that_endorses_nothing_or_another_manifest_is_not_taken(
    office: Office, shown: ShownCase
) -> None:
    """It would be a case that looks approved and that the key service then refuses."""
    bob = office.acting("bob")
    signed = bob.decide(shown.digest, "approve")
    other = bob.key.signing.sign(manifest_signing_input(proposal(office, "bob")))

    for half in (signed, dataclasses.replace(signed, endorsement=other)):
        with pytest.raises(ApprovalRefusedError):
            submit(office.parts, bob, shown, half)
        office.plant(shown.case.case_id, half)

    assert office.shown(shown.case.case_id).judgement.approved_by == ()
    assert office.approve("bob", office.shown(shown.case.case_id)).is_new
