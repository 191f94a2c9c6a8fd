"""What else officers may have done: an erasure, a new escrow key, another set of officers; each once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgspec
import pytest

from tests.kms.casework import CaseFile, ceremony_in, open_case, open_disclosure, open_regain
from tests.kms.recoveries import Recoveries
from tests.rig.officers import Ceremony, decide, hand_in, officer_key, sealed_for
from tests.rig.people import Person, enrol
from tests.rig.vault import Vault
from vault_service.domain.audit_errors import UnsealedError
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.manifest import Manifest, manifest_hash, manifest_signing_input
from vault_service.domain.recovery_errors import CaseRefusedError, QuorumNotMetError
from vault_service.kms.cases.end import end_open_cases_of
from vault_service.kms.client import KmsClient
from vault_service.kms.limits.sealing_watch import SealedReport, SealingWatch
from vault_service.kms.protocol.messages import Enrol, Epoch, EpochIs
from vault_service.kms.service import KeyService
from vault_service.kms.users.enrol import enrol as enrol_at
from vault_service.storage.keys.proposed_manifests import insert_proposed


@pytest.fixture
def person(vault: Vault, kms: KmsClient) -> Person:
    return enrol(vault, kms)


def opened(file: CaseFile) -> Ceremony:
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    return ceremony


def test_an_erasure_destroys_every_wrap_and_nobody_gets_the_id_again(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    file = open_case(vault, shared_service, "erasure", person)
    other = open_disclosure(vault, shared_service, person)
    file.approve("ana", "bob")
    ceremony = opened(file)
    assert ceremony.peel(file.case.case_id).wraps == ()  # nothing is opened for it

    ceremony.complete(file.case.case_id)

    assert person.kms.call(Epoch(person.user), EpochIs).epoch is None
    assert not person.opens_with(person.password)
    with vault.keys.superuser() as conn:
        left = conn.execute(
            """SELECT (SELECT count(*) FROM escrow_wraps WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM credentials WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM deks WHERE user_id = %(u)s)
                    + (SELECT count(*) FROM logins WHERE user_id = %(u)s)""",
            {"u": person.user},
        ).fetchone()
    assert left == (0,)
    assert other.state == "cancelled"
    assert file.events[-1] is KeysEvent.ERASED_BY_OFFICERS
    assert person.user in shared_service.tombstones.all()
    with pytest.raises(VaultError, match="erased"):
        enrol_at(shared_service, Enrol(vault.app_key, person.user, person.login, person.password))


def test_an_erasure_takes_a_quorum_whatever_the_ceremony_says(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    """Root on the ceremony's host and a superuser together: the state and the ceremony are written in."""
    file = open_case(vault, shared_service, "erasure", person)
    file.approve("ana")
    ceremony = opened(file)
    file.write("state = 'executing', ceremony_id = %(ceremony)s", ceremony=ceremony.ceremony_id)

    with pytest.raises(QuorumNotMetError):
        ceremony.complete(file.case.case_id)

    assert person.opens_with(person.password)


def test_a_new_escrow_key_is_recorded_by_its_hash(vault: Vault, shared_service: KeyService) -> None:
    file = open_case(vault, shared_service, "key-ceremony")
    file.approve("cleo", "bob")
    ceremony = opened(file)
    assert ceremony.peel(file.case.case_id).wraps == ()

    ceremony.complete(file.case.case_id, public_key=ceremony.ephemeral_pk)

    assert file.state == "executed"
    assert file.events[-1] is KeysEvent.ESCROW_KEY_CREATED


@pytest.mark.parametrize("end", ["executed", "cancelled"])
def test_a_case_that_has_ended_is_not_open_again_because_a_table_says_so(
    vault: Vault, shared_service: KeyService, person: Person, end: str
) -> None:
    """The approvals are still there and still signed: replayed, they would be a second disclosure."""
    file = open_disclosure(vault, shared_service, person)
    file.approve("ana", "bob")
    ceremony = opened(file)
    if end == "executed":
        ceremony.peel(file.case.case_id)
        ceremony.complete(file.case.case_id, digest=bytes(32))
    else:
        with shared_service.db.transaction() as conn:
            end_open_cases_of(shared_service, conn, person.user, shared_service.now())
    assert file.state == end
    file.write("state = 'open', closed_at = NULL, ceremony_id = NULL, result = NULL")

    with pytest.raises(CaseRefusedError):
        ceremony.peel(file.case.case_id)
    with pytest.raises(CaseRefusedError):
        opened(file)
    assert file.events[-2:] == [KeysEvent.CASE_INTEGRITY_FAILED, KeysEvent.CEREMONY_REFUSED]


# --- officers


def proposal(service: KeyService) -> Manifest:
    """The next manifest, that only says another time: it leaves the shared vault as it is."""
    now = service.manifests.fresh()
    return msgspec.structs.replace(
        now, serial=now.serial + 1, previous=manifest_hash(now.encode()).hex(),
        created_at="2026-11-27T12:00:00+00:00",
    )  # fmt: skip


def officer_change(vault: Vault, service: KeyService, stored: bytes, named: bytes) -> CaseFile:
    file = open_case(vault, service, "officer-change", scope={"manifest": manifest_hash(named).hex()})
    with service.db.transaction() as conn:
        insert_proposed(conn, CaseId(file.case.case_id), stored)
    return file


def endorsing(file: CaseFile, name: str, body: bytes) -> None:
    key = officer_key(file.vault, name)
    signature = key.signing.sign(manifest_signing_input(body))
    hand_in(file.vault, file.case.case_id, decide(key, file.body, endorsement=signature))


def test_an_approval_without_a_signature_over_the_proposed_manifest_does_not_count(
    vault: Vault, shared_service: KeyService
) -> None:
    body = proposal(shared_service).encode()
    file = officer_change(vault, shared_service, body, body)
    endorsing(file, "ana", body)
    endorsing(file, "bob", body + b" ")
    file.approve("cleo")

    with pytest.raises(QuorumNotMetError, match="1 of 2"):
        opened(file).peel(file.case.case_id)


def test_a_proposed_manifest_that_was_swapped_is_refused(vault: Vault, shared_service: KeyService) -> None:
    body = proposal(shared_service).encode()
    swapped = msgspec.structs.replace(
        proposal(shared_service), created_at="2030-01-01T00:00:00+00:00"
    ).encode()
    file = officer_change(vault, shared_service, swapped, body)
    for name in ("ana", "bob"):
        endorsing(file, name, body)

    with pytest.raises(CaseRefusedError, match="not the one that the case names"):
        opened(file)
    assert file.events == [KeysEvent.CEREMONY_REFUSED]


# --- while the trail is not sealed


def test_no_wrap_leaves_while_the_trail_is_not_sealed(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    file = open_disclosure(vault, shared_service, person)
    file.approve("ana", "bob")
    ceremony = opened(file)
    unsealed = SealingWatch(shared_service.policies.audit.sealing)
    unsealed.reported("records", SealedReport(0, 10**9, 0.0, proved=True))
    file.service = replace(shared_service, sealing=unsealed)
    late = replace(ceremony_in(file.service), ceremony_id=ceremony.ceremony_id)

    for act in (lambda: late.peel(file.case.case_id), lambda: opened(file)):
        with pytest.raises(UnsealedError):
            act()
    assert file.state == "open"


def test_a_decoy_is_in_no_ceremony(vault: Vault, shared_service: KeyService) -> None:
    """Asked for with a login that nobody has: to a ceremony it is as if there were no such case."""
    begun = Recoveries(vault, shared_service).begin(f"nobody-{new_uuid().hex}@example.org")
    with pytest.raises(VaultError) as refused:
        ceremony_in(shared_service).open(begun.case_id)
    assert refused.value.code == "recovery.no_such_case"


@pytest.mark.parametrize("kind", ["regain", "erasure"])
def test_a_sign_in_and_the_end_of_a_ceremony_never_wait_for_one_another(
    vault: Vault, shared_service: KeyService, person: Person, kind: str
) -> None:
    """Both take the credential first: a sign-in with the old password goes on to cancel the very case."""
    file = (
        open_regain(vault, shared_service, person)
        if kind == "regain"
        else open_case(vault, shared_service, "erasure", person)
    )
    file.approve("ana", "bob")
    ceremony = opened(file)
    peeled = ceremony.peel(file.case.case_id)
    sealed = sealed_for(file.case, peeled.wraps[0], file.dek) if kind == "regain" else None

    with ThreadPoolExecutor(1) as pool, vault.keys.superuser() as conn, conn.transaction():
        conn.execute("SELECT 1 FROM credentials WHERE user_id = %s FOR SHARE", (person.user,))
        completing = pool.submit(lambda: ceremony.complete(file.case.case_id, sealed_dek=sealed))
        while (
            not completing.done()
            and not conn.execute(
                """SELECT 1 FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND datname = current_database()"""
            ).fetchone()
        ):
            pass
        conn.execute("SELECT 1 FROM cases WHERE case_id = %s FOR UPDATE NOWAIT", (file.case.case_id,))

    completing.result(110)
    assert file.state == "executed"
