"""Ceremonies: one note, one key, these cases; what is over is over, and of many at once one executes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from tests.kms.casework import CaseFile, ceremony_in, open_case, open_disclosure
from tests.rig.officers import Ceremony
from tests.rig.people import Person, enrol, kms_of
from tests.rig.vault import Vault
from vault_service.domain.case import case_hash
from vault_service.domain.ceremony_note import NotedCase, note_hash, parse_note
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CeremonyId, new_uuid
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CeremonyBusyError,
    NoteRefusedError,
    QuorumNotMetError,
)
from vault_service.kms.cases.ceremony_notes import sign_note
from vault_service.kms.protocol.message_base import Done
from vault_service.kms.protocol.recovery_messages import CeremonyOpened, CloseCeremony, OpenCeremony
from vault_service.kms.recovery.open_ceremony import close_ceremony, give_up_dead
from vault_service.kms.service import KeyService
from vault_service.storage.keys.ceremonies import insert_ceremony

DIGEST = bytes(range(32))
AT_ONCE = 20


@pytest.fixture(scope="module")
def person(vault: Vault) -> Person:
    return enrol(vault, kms_of(vault))


@pytest.fixture
def file(vault: Vault, shared_service: KeyService, person: Person) -> CaseFile:
    file = open_disclosure(vault, shared_service, person)
    file.approve("ana", "bob")
    return file


def opened(file: CaseFile) -> Ceremony:
    ceremony = ceremony_in(file.service)
    ceremony.open(file.case.case_id)
    return ceremony


def test_a_note_lists_what_is_due_and_says_what_is_left_out(
    vault: Vault, shared_service: KeyService, person: Person, file: CaseFile
) -> None:
    late = open_disclosure(vault, shared_service, person)
    late.write("state = 'cancelled'")
    unknown = new_uuid()

    ceremony = ceremony_in(shared_service)
    answer = ceremony.open(unknown, file.case.case_id, late.case.case_id, file.case.case_id)

    note = parse_note(answer.note)
    assert note.cases == (NotedCase(file.case.case_id, case_hash(file.body).hex()),)
    assert note.ephemeral_pk == ceremony.ephemeral_pk.hex()
    assert dict(answer.left_out) == {
        unknown: "recovery.no_such_case", late.case.case_id: "recovery.case_closed"
    }  # fmt: skip
    assert late.events == [KeysEvent.CEREMONY_REFUSED]


def test_a_note_is_for_the_manifest_s_escrow_token_and_a_real_key(file: CaseFile) -> None:
    ceremony = ceremony_in(file.service)
    for serial, key, error in (
        ("another token", ceremony.ephemeral_pk, NoteRefusedError),
        (ceremony.token_serial, b"\x04" + bytes(64), InvalidInputError),
    ):
        with pytest.raises(error):
            ceremony.call(OpenCeremony((file.case.case_id,), key, (1,), serial), CeremonyOpened)


def test_an_expired_note_is_over(file: CaseFile) -> None:
    ceremony = opened(file)
    note_s = file.service.policies.recovery.ceremony.note_s
    later = file.service.now() + timedelta(seconds=note_s + 1)
    late = replace(ceremony_in(replace(file.service, now=lambda: later)), ceremony_id=ceremony.ceremony_id)

    with pytest.raises(NoteRefusedError, match="expired"):
        late.peel(file.case.case_id)
    with file.vault.keys.superuser() as conn:  # what stands beside the note is not believed
        conn.execute("UPDATE ceremonies SET expires_at = expires_at + interval '1 day'")
    with pytest.raises(NoteRefusedError, match="expired"):
        late.peel(file.case.case_id)


def test_a_closed_ceremony_is_over_and_leaves_its_case_open(file: CaseFile) -> None:
    ceremony = opened(file)
    ceremony.peel(file.case.case_id)
    ceremony.call(CloseCeremony(ceremony.ceremony_id), Done)

    assert file.state == "open"
    assert file.events[-1] is KeysEvent.CASE_REOPENED
    for act in (
        lambda: ceremony.peel(file.case.case_id),
        lambda: ceremony.complete(file.case.case_id, digest=DIGEST),
    ):
        with pytest.raises(NoteRefusedError, match="closed"):
            act()
    assert opened(file).peel(file.case.case_id).wraps  # another one takes it up


def test_a_case_of_a_ceremony_that_died_is_open_again_when_its_note_has_expired(file: CaseFile) -> None:
    ceremony = opened(file)
    ceremony.peel(file.case.case_id)
    give_up_dead(file.service)
    assert file.state == "executing"  # it may be alive
    with pytest.raises(CeremonyBusyError):
        opened(file)

    later = file.service.now() + timedelta(seconds=file.service.policies.recovery.ceremony.note_s + 1)
    give_up_dead(replace(file.service, now=lambda: later))

    assert file.state == "open"
    assert file.events[-1] is KeysEvent.CASE_REOPENED


def test_a_ceremony_without_a_row_is_dead(file: CaseFile) -> None:
    file.write("state = 'executing', ceremony_id = %(nobody)s", nobody=new_uuid())

    assert opened(file).peel(file.case.case_id).wraps


def _put(service: KeyService, ceremony: UUID, body: bytes, signature: bytes) -> None:
    with service.db.transaction() as conn:
        insert_ceremony(conn, CeremonyId(ceremony), body, signature, service.now() + timedelta(hours=1))


def test_only_a_note_that_this_key_service_signed_lets_peel(file: CaseFile) -> None:
    """An officer's share would go to whoever's key the note names."""
    answer = ceremony_in(file.service).open(file.case.case_id)
    note = parse_note(answer.note)
    own = msgspec.structs.replace(note, ceremony_id=new_uuid())
    edited = own.encode()
    _put(file.service, own.ceremony_id, edited, answer.signature)  # a signature of another note
    moved, unread = new_uuid(), new_uuid()
    _put(file.service, moved, answer.note, answer.signature)  # a genuine note in another row
    endless = answer.note.replace(b'"manifest_serial":1', b'"manifest_serial":%d' % 2**60)
    _put(file.service, unread, endless, answer.signature)  # a number that has no canonical form

    for ceremony_id in (own.ceremony_id, moved, unread, new_uuid()):
        forged = replace(ceremony_in(file.service), ceremony_id=ceremony_id)
        with pytest.raises(NoteRefusedError):
            forged.peel(file.case.case_id)
    assert file.events.count(KeysEvent.PEEL_REFUSED) == 4


def test_a_note_over_another_version_of_the_case_lets_nobody_peel_it(file: CaseFile) -> None:
    """Even one that is signed: as if a case had been swapped in between."""
    note = parse_note(ceremony_in(file.service).open(file.case.case_id).note)
    other = msgspec.structs.replace(
        note, ceremony_id=new_uuid(), cases=(NotedCase(file.case.case_id, "ab" * 32),)
    )
    _put(file.service, other.ceremony_id, *sign_note(file.service, other))

    with pytest.raises(NoteRefusedError, match="does not list"):
        replace(ceremony_in(file.service), ceremony_id=other.ceremony_id).peel(file.case.case_id)


def test_of_twenty_ceremonies_at_once_one_peels_and_completes(file: CaseFile) -> None:
    ceremonies = [opened(file) for _ in range(AT_ONCE)]

    def attempt(number: int) -> bool:
        try:
            ceremonies[number].peel(file.case.case_id)
            ceremonies[number].complete(file.case.case_id, digest=bytes([number]) * 32)
        except (CeremonyBusyError, CaseClosedError):
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as threads:
        won = [number for number, done in enumerate(threads.map(attempt, range(AT_ONCE))) if done]

    assert len(won) == 1
    assert file.state == "executed"
    for event in (KeysEvent.WRAPS_PEELED, KeysEvent.DATA_DISCLOSED):
        assert file.events.count(event) == 1


def test_of_many_results_that_one_ceremony_hands_in_at_once_one_stands(file: CaseFile) -> None:
    ceremony = opened(file)
    ceremony.peel(file.case.case_id)

    def attempt(number: int) -> bool:
        try:
            ceremony.complete(file.case.case_id, digest=bytes([number]) * 32)
        except CaseClosedError:
            return False
        return True

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert sum(threads.map(attempt, range(AT_ONCE))) == 1
    assert file.events.count(KeysEvent.DATA_DISCLOSED) == 1


def test_one_ceremony_completes_a_case_once_however_often_it_says_so(file: CaseFile) -> None:
    ceremony = opened(file)
    ceremony.peel(file.case.case_id)
    for _ in range(2):  # the answer may have got lost
        assert ceremony.complete(file.case.case_id, digest=DIGEST).state == "executed"

    with pytest.raises(CaseClosedError):
        ceremony.complete(file.case.case_id, digest=DIGEST[::-1])
    with pytest.raises(CaseClosedError):
        ceremony.peel(file.case.case_id)
    assert file.events.count(KeysEvent.DATA_DISCLOSED) == 1
    with file.vault.keys.superuser() as conn:
        digests = conn.execute(
            "SELECT digest FROM audit_events WHERE case_id = %(case)s AND kind = %(kind)s",
            {"case": file.case.case_id, "kind": int(KeysEvent.DATA_DISCLOSED)},
        ).fetchall()
    assert digests == [(DIGEST,)]


def test_what_nobody_peeled_cannot_be_completed(file: CaseFile) -> None:
    with pytest.raises(CaseClosedError, match="no ceremony has begun"):
        opened(file).complete(file.case.case_id, digest=DIGEST)


def test_another_ceremony_cannot_complete_what_one_peeled(file: CaseFile) -> None:
    one, other = opened(file), opened(file)
    one.peel(file.case.case_id)

    with pytest.raises(CeremonyBusyError):
        other.complete(file.case.case_id, digest=DIGEST)
    assert file.events[-1] is KeysEvent.CEREMONY_REFUSED


def test_a_result_that_does_not_fit_the_kind_is_refused(
    vault: Vault, shared_service: KeyService, file: CaseFile
) -> None:
    drill = open_case(vault, shared_service, "drill", scope={"sample": 1})
    key = open_case(vault, shared_service, "key-ceremony")
    for each in (file, drill, key):
        each.approve("ana", "bob")
        ceremony = opened(each)
        ceremony.peel(each.case.case_id)
        with pytest.raises(InvalidInputError):
            ceremony.complete(each.case.case_id)
        assert each.state == "executing"


def test_closing_twice_is_no_harm_and_an_unknown_one_is_refused(file: CaseFile) -> None:
    ceremony = ceremony_in(file.service)
    note = ceremony.open(file.case.case_id).note
    for _ in range(2):
        close_ceremony(file.service, CloseCeremony(ceremony.ceremony_id))
    with file.vault.keys.superuser() as conn:
        closed = conn.execute(
            "SELECT kind FROM audit_events WHERE digest = %(note)s ORDER BY event_id",
            {"note": note_hash(note)},
        ).fetchall()
    assert [row[0] for row in closed] == [int(KeysEvent.CEREMONY_OPENED), int(KeysEvent.CEREMONY_CLOSED)]
    with pytest.raises(NoteRefusedError):
        close_ceremony(file.service, CloseCeremony(new_uuid()))


def test_before_the_officers_agree_nothing_is_peeled_and_afterwards_by_the_same_note(
    vault: Vault, shared_service: KeyService, person: Person
) -> None:
    """So that approving and releasing a share can be one act."""
    file = open_disclosure(vault, shared_service, person)
    ceremony = opened(file)
    with pytest.raises(QuorumNotMetError):
        ceremony.peel(file.case.case_id)

    file.approve("cleo", "bob")

    assert ceremony.peel(file.case.case_id).wraps == ceremony.peel(file.case.case_id).wraps
