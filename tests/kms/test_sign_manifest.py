"""Which manifests the key service signs: those that a quorum endorsed in a case, or the words on paper."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.kms.chains import endorse, follow, genesis, key_service, officer, put, signed_by
from tests.kms.test_executed_cases import endorsing, officer_change, opened
from tests.rig.vault import Vault
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.case import Case, Scope, approval_message, case_hash, case_time
from vault_service.domain.errors import ManifestError, PolicyBelowFloorError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import (
    BreakGlass,
    Floors,
    Manifest,
    PublicKeyGeneration,
    RecoveryFloors,
    manifest_hash,
    manifest_signing_input,
)
from vault_service.domain.recovery_errors import CaseRefusedError, QuorumNotMetError
from vault_service.kms.dispatch import Caller, answer
from vault_service.kms.protocol.messages import Refusal
from vault_service.kms.protocol.recovery_messages import ManifestSigned, SignManifest
from vault_service.kms.rotation.sign_manifest import sign_proposed
from vault_service.kms.service import KeyService

NOW = datetime.now(UTC)
Running = tuple[Vault, KeyService]


@pytest.fixture
def running(sound: Vault) -> Iterator[Running]:
    with key_service(sound) as service:
        service.manifests.current()
        yield sound, service


def without_cleo(vault: Vault) -> Manifest:
    before = genesis(vault)
    return follow(before, officers=before.officers[:2])


def a_case(newest: Manifest, body: bytes, requester: UUID, quorum: int = 2) -> Case:
    return Case(
        v=1, case_id=new_uuid(), kind="officer-change", tenant=None, user_id=None, dek_id=None, epoch=None,
        login_index=None, target_pk=None, recipient=None, stolen=False, requester=requester, app_id=None,
        reason="cleo leaves", scope=Scope(manifest=hashlib.sha256(body).hexdigest()), escrow_gen=1,
        manifest_serial=newest.serial, manifest_hash=manifest_hash(newest.encode()).hex(), quorum=quorum,
        opened_at=case_time(NOW), not_before=case_time(NOW), expires_at=case_time(NOW + timedelta(hours=1)),
        nonce="00" * 32,
    )  # fmt: skip


def approve(key: OfficerKey, case: Case, manifest: Manifest) -> SignedDecision:
    """What an officer's client leaves."""
    message = approval_message(case_hash(case.encode()), "approve", key.officer, key.authenticator)
    endorsement = key.signing.sign(manifest_signing_input(manifest.encode()))
    return SignedDecision(
        key.officer, key.authenticator, "approve", key.signing.sign(message), endorsement=endorsement
    )


def sign(service: KeyService, case: Case, body: bytes, *decisions: SignedDecision) -> Manifest:
    with service.db.transaction() as conn:
        signed = sign_proposed(service, conn, case, body, decisions, NOW)
    service.manifests.reload()
    return signed


def kinds(vault: Vault) -> list[int]:
    with vault.keys.superuser() as conn:
        rows = conn.execute("SELECT kind FROM audit_events ORDER BY event_id DESC LIMIT 2").fetchall()
    return [int(str(row[0])) for row in rows]


def test_what_two_officers_endorsed_becomes_the_newest_manifest(running: Running) -> None:
    vault, service = running
    manifest, newest = without_cleo(vault), genesis(vault)
    ana, bob, cleo = (officer(vault, name) for name in ("ana", "bob", "cleo"))
    case = a_case(newest, manifest.encode(), cleo.officer)

    signed = sign(
        service, case, manifest.encode(), approve(ana, case, manifest), approve(bob, case, manifest)
    )

    assert signed == manifest
    assert service.manifests.current() == manifest
    assert kinds(vault)[0] == int(KeysEvent.MANIFEST_SIGNED)


def test_the_requester_s_own_endorsement_does_not_count(running: Running) -> None:
    """One officer asks and signs, one approves: that would be one person short."""
    vault, service = running
    manifest = without_cleo(vault)
    ana, bob = officer(vault, "ana"), officer(vault, "bob")
    case = a_case(genesis(vault), manifest.encode(), ana.officer)

    with pytest.raises(QuorumNotMetError, match="1 of 2"):
        sign(service, case, manifest.encode(), approve(ana, case, manifest), approve(bob, case, manifest))


def test_one_person_with_two_keys_is_no_quorum(running: Running) -> None:
    vault, service = running
    newest = genesis(vault)
    spare = OfficerKey.generate(OfficerId(newest.officers[0].officer_id), new_uuid(), "ana")
    ana = msgspec.structs.replace(
        newest.officers[0],
        authenticators=(*newest.officers[0].authenticators, *spare.public(("approver",)).authenticators),
    )
    second = follow(newest, officers=(ana, *newest.officers[1:]))
    both = (endorse(officer(vault, name), second) for name in ("ana", "bob"))
    put(vault, signed_by(service, second, *both))
    assert service.manifests.fresh() == second
    manifest = follow(second, officers=second.officers[:2])
    case = a_case(second, manifest.encode(), officer(vault, "cleo").officer)

    with pytest.raises(QuorumNotMetError, match="1 of 2"):
        sign(
            service, case, manifest.encode(),
            approve(officer(vault, "ana"), case, manifest), approve(spare, case, manifest),
        )  # fmt: skip


def test_endorsements_of_another_body_do_not_count(running: Running) -> None:
    vault, service = running
    manifest, newest = without_cleo(vault), genesis(vault)
    other = follow(newest, officers=newest.officers[:2], created_at="2026-01-01T00:00:00Z")
    case = a_case(newest, manifest.encode(), officer(vault, "cleo").officer)
    ana, bob = (approve(officer(vault, name), case, other) for name in ("ana", "bob"))

    with pytest.raises(QuorumNotMetError, match="0 of 2"):
        sign(service, case, manifest.encode(), ana, bob)
    with pytest.raises(CaseRefusedError):
        sign(service, case, other.encode(), ana, bob)


def test_what_was_approved_for_one_serial_is_refused_once_another_link_has_it(running: Running) -> None:
    vault, service = running
    newest = genesis(vault)
    late = without_cleo(vault)
    ana, bob, cleo = (officer(vault, name) for name in ("ana", "bob", "cleo"))
    case = a_case(newest, late.encode(), cleo.officer)
    decisions = [approve(key, case, late) for key in (ana, bob)]
    first = follow(newest, quorum=msgspec.structs.replace(newest.quorum, disclosure=3))
    put(vault, signed_by(service, first, *(endorse(key, first) for key in (ana, bob))))

    with pytest.raises(ManifestError, match="was proposed before"):
        sign(service, case, late.encode(), *decisions)


def unusable(vault: Vault) -> dict[str, tuple[Manifest, type[VaultError]]]:
    newest = genesis(vault)
    foreign = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    audit = (*newest.keys.audit_signing, PublicKeyGeneration(2, "prepared", foreign))
    return {
        "floors that this host's policies do not meet": (
            follow(newest, floors=Floors(argon2_memory_kib=65_536)), PolicyBelowFloorError),
        "a waiting period that they do not meet": (
            follow(newest, floors=Floors(recovery=RecoveryFloors(wait_regain_s=60))), PolicyBelowFloorError),
        "keys of the online token": (
            follow(newest, officers=newest.officers[:2],
                   keys=msgspec.structs.replace(newest.keys, audit_signing=audit)), ManifestError),
        "the break-glass key": (follow(newest, break_glass=BreakGlass(foreign, 2)), ManifestError),
    }  # fmt: skip


def test_what_nobody_could_work_under_is_not_signed_although_a_quorum_asks(running: Running) -> None:
    vault, service = running
    for what, (manifest, error) in unusable(vault).items():
        case = a_case(genesis(vault), manifest.encode(), officer(vault, "cleo").officer)
        decisions = [approve(officer(vault, name), case, manifest) for name in ("ana", "bob")]
        with pytest.raises(error):
            sign(service, case, manifest.encode(), *decisions)
        assert service.manifests.fresh().serial == 1, what


def test_the_service_that_executes_the_case_believes_it_without_another_look(running: Running) -> None:
    vault, service = running
    body = without_cleo(vault).encode()
    file = officer_change(vault, service, body, body)
    for name in ("ana", "bob"):
        endorsing(file, name, body)
    ceremony = opened(file)

    ceremony.peel(file.case.case_id)
    ceremony.complete(file.case.case_id)

    assert service.manifests.current().serial == 2


# --- break-glass


@pytest.fixture
def glass(running: Running) -> Ed25519PrivateKey:
    """A break-glass key whose words are known here; a quorum named it."""
    vault, service = running
    key, newest = Ed25519PrivateKey.generate(), genesis(vault)
    public = key.public_key().public_bytes_raw().hex()
    named = follow(newest, break_glass=BreakGlass(public, 2))
    put(vault, signed_by(service, named, *(endorse(officer(vault, name), named) for name in ("ana", "bob"))))
    assert service.manifests.fresh() == named
    return key


def by_break_glass(service: KeyService, key: Ed25519PrivateKey, manifest: Manifest) -> object:
    body = manifest.encode()
    request = SignManifest(body, key.sign(manifest_signing_input(body)))
    return answer(service, Caller("ceremony", "test"), "sign_manifest", msgspec.json.encode(request))


def newcomers(service: KeyService, **changes: object) -> Manifest:
    """Both officers are new people, and the words are new."""
    people = [OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), name) for name in ("dora", "emil")]
    fresh = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    officers = tuple(key.public(("requester", "approver", "discloser")) for key in people)
    return follow(
        service.manifests.current(), **{"officers": officers, "break_glass": BreakGlass(fresh, 2), **changes}
    )


def test_the_words_on_paper_put_others_in_the_officers_place(
    running: Running, glass: Ed25519PrivateKey
) -> None:
    vault, service = running
    manifest = newcomers(service)

    assert by_break_glass(service, glass, manifest) == ManifestSigned(3)
    assert by_break_glass(service, glass, manifest) == ManifestSigned(3), "its answer may have been lost"

    assert [each.name for each in service.manifests.current().officers] == ["dora", "emil"]
    assert set(kinds(vault)) == {int(KeysEvent.MANIFEST_SIGNED), int(KeysEvent.BREAK_GLASS_USED)}


def test_words_that_were_used_are_used_up(running: Running, glass: Ed25519PrivateKey) -> None:
    vault, service = running
    by_break_glass(service, glass, newcomers(service))

    refused = by_break_glass(service, glass, newcomers(service))

    assert isinstance(refused, Refusal)
    assert service.manifests.fresh().serial == 3
    assert kinds(vault)[0] == int(KeysEvent.CEREMONY_REFUSED)


def test_break_glass_changes_no_key_no_floor_and_not_itself(
    running: Running, glass: Ed25519PrivateKey
) -> None:
    _, service = running
    newest = service.manifests.current()
    dora, emil = newcomers(service).officers
    weaker = (PublicKeyGeneration(1, "retiring", newest.escrow_key.public_key),
              PublicKeyGeneration(2, "current", newest.escrow_key.public_key))  # fmt: skip
    for changes in (
        {"keys": msgspec.structs.replace(newest.keys, escrow=weaker)},
        {"floors": Floors(guesses_in_a_row=99)},
        {"tokens": msgspec.structs.replace(newest.tokens, online="another")},
        {"break_glass": newest.break_glass},
        {"officers": newcomers(service).officers[:1]},
        {"officers": (dora, msgspec.structs.replace(emil, name="DORA"))},
    ):
        refused = by_break_glass(service, glass, newcomers(service, **changes))
        assert isinstance(refused, Refusal), changes
        assert refused.code.startswith("manifest."), refused
    assert service.manifests.fresh().serial == 2


def test_another_key_signs_nothing(running: Running, glass: Ed25519PrivateKey) -> None:
    del glass
    _, service = running

    for officers in ({}, {"officers": ()}):
        refused = by_break_glass(service, Ed25519PrivateKey.generate(), newcomers(service, **officers))
        assert isinstance(refused, Refusal)
        assert refused.code == ManifestError.code
        assert "not signed by the break-glass key" in refused.detail, "and is told of nothing else"
