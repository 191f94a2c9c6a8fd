"""Whoever has taken the key service over hands a ceremony whatever they like; it leaves no DEK for them.

The key service is the real one; somebody on the way to it alters what it answers.
"""

import dataclasses
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.ceremony.liar import Liar
from tests.ceremony.office import NEW_PASSWORD, Office
from tests.rig.officers import manifest_of
from vault_service.ceremony.believed import believe_case, believe_note
from vault_service.ceremony.due import _UNFIT
from vault_service.ceremony.released import EphemeralKey
from vault_service.domain.ceremony_note import CeremonyNote, NotedCase, note_signing_input, parse_note
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import CaseRefusedError, ManifestNotSeenError, NoteRefusedError
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import (
    CeremonyOpened,
    CompleteCase,
    OpenCeremony,
    Peel,
    Peeled,
    PeeledWrap,
)
from vault_service.storage.keys.believed_chain import read_chain
from vault_service.storage.keys.cases import find_case


def with_wrap(change: Callable[[PeeledWrap], PeeledWrap]) -> Callable[["Liar", Peel, Peeled, UUID], Peeled]:
    return lambda _liar, _request, told, _other: Peeled((change(told.wraps[0]),))


def anothers(liar: Liar, request: Peel, told: Peeled, other: UUID) -> Peeled:
    return Peeled((liar.peel_other(request, other),))


def anothers_under_our_ids(liar: Liar, request: Peel, told: Peeled, other: UUID) -> Peeled:
    theirs = liar.peel_other(request, other)
    return Peeled((msgspec.structs.replace(told.wraps[0], wrap=theirs.wrap, dek_check=theirs.dek_check),))


LIES: dict[str, Callable[[Liar, Peel, Peeled, UUID], Peeled]] = {
    "another user's wrap": anothers,
    "another user's wrap under the subject's ids": anothers_under_our_ids,
    "the other one's beside it": lambda liar, request, told, other: Peeled(
        (*told.wraps, liar.peel_other(request, other))
    ),
    "no wrap": lambda *_: Peeled(()),
    "a wrap that did not open": with_wrap(lambda wrap: msgspec.structs.replace(wrap, wrap=None)),
    "another check value": with_wrap(lambda wrap: msgspec.structs.replace(wrap, dek_check=os.urandom(32))),
    "another epoch": with_wrap(lambda wrap: msgspec.structs.replace(wrap, epoch=wrap.epoch + 1)),
    "an escrow key that there is not": with_wrap(lambda wrap: msgspec.structs.replace(wrap, escrow_gen=2)),
    "a wrap made of rubbish": with_wrap(lambda wrap: msgspec.structs.replace(wrap, wrap=os.urandom(113))),
}


def test_no_lie_about_a_wrap_leads_to_a_new_credential(office: Office) -> None:
    """One ceremony for each pair of users: the first is lied about, the second is not."""
    for name, tell in LIES.items():
        victim, other = office.somebody(), office.somebody()
        case, beside = office.begin(victim), office.begin(other)

        def lie(liar: Liar, request: Request, told: Any, case: UUID = case, beside: UUID = beside) -> Any:
            if isinstance(request, Peel) and request.case_id == case:
                return tell(liar, request, told, beside)  # noqa: B023  # called within this round
            return told

        liar = Liar(office, lie)
        with office.in_this_process(kms=liar) as here:
            office.await_gathering(case, beside)
            for each in (case, beside):
                office.sign(each, "ana")
                office.sign(each, "bob")
            office.release("ana", "bob")
            result = here.running.result(110)

        assert result is not None
        errors = {outcome.case: outcome.error for outcome in result.outcomes}
        assert errors[CaseId(case)] is not None, name
        assert errors[CaseId(beside)] is None, name
        completed = [request.case_id for request in liar.asked if isinstance(request, CompleteCase)]
        assert completed == [beside], name
        assert KeysEvent.CEREMONY_REFUSED in office.events(case), name
        assert victim.opens_with(victim.password)
        assert other.opens_with(NEW_PASSWORD)


NOTES: dict[str, Callable[[CeremonyOpened], CeremonyOpened]] = {
    "a signature of nobody": lambda told: CeremonyOpened(told.note, os.urandom(64)),
    "another key": lambda told: altered(told, ephemeral_pk=EphemeralKey().point.hex()),
    "another token": lambda told: altered(told, token_serial="0000"),
}


def altered(told: CeremonyOpened, **members: Any) -> CeremonyOpened:
    note = msgspec.structs.replace(parse_note(told.note), **members)
    return CeremonyOpened(note.encode(), told.signature)


@pytest.mark.parametrize("name", NOTES)
def test_a_note_that_is_not_as_asked_for_ends_the_ceremony_before_a_share_is_released(
    office: Office, name: str
) -> None:
    office.begin(office.somebody())
    before = office.logins_of_the_token()
    liar = Liar(
        office, lambda _, request, told: NOTES[name](told) if isinstance(request, OpenCeremony) else told
    )
    with office.in_this_process(kms=liar) as here:
        assert isinstance(here.running.exception(30), NoteRefusedError)
    assert office.logins_of_the_token() == before


def test_each_member_of_a_note_is_compared(office: Office) -> None:
    """By whoever has the note key itself."""
    signer, key = Ed25519PrivateKey.generate(), EphemeralKey()
    manifest = manifest_of(office.vault)
    notes = (
        msgspec.structs.replace(
            manifest.keys.note[0], public_key=signer.public_key().public_bytes_raw().hex()
        ),
    )
    manifest = msgspec.structs.replace(manifest, keys=msgspec.structs.replace(manifest.keys, note=notes))
    case = office.begin(office.somebody())
    with office.in_this_process() as here:
        parts = here.parts
        chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    believed = believe_case(row, chain)
    asked = OpenCeremony((case,), key.point, (1,), manifest.tokens.escrow)
    good = CeremonyNote(
        v=1, ceremony_id=uuid4(), ephemeral_pk=key.point.hex(),
        cases=(NotedCase(case, believed.digest.hex()),), pin_gens=(1,), token_serial=manifest.tokens.escrow,
        manifest_serial=1, issued_at="2026-01-01T00:00:00.000000Z", expires_at="2099-01-01T00:00:00.000000Z",
    )  # fmt: skip

    def believe(note: CeremonyNote) -> CeremonyNote:
        signed = CeremonyOpened(note.encode(), signer.sign(note_signing_input(note.encode())))
        return believe_note(signed, asked, {CaseId(case): believed}, manifest, office.recovery.now())

    assert believe(good) == good
    for wrong in (
        {"ephemeral_pk": EphemeralKey().point.hex()},
        {"cases": (NotedCase(case, os.urandom(32).hex()),)},
        {"cases": (NotedCase(uuid4(), believed.digest.hex()),)},
        {"pin_gens": (1, 2)},
        {"token_serial": "0000"},
        {"expires_at": "2026-01-02T00:00:00.000000Z"},
    ):
        with pytest.raises(NoteRefusedError):
            believe(msgspec.structs.replace(good, **wrong))


@pytest.mark.parametrize("member", ["target_pk", "user_id", "nonce"])
def test_a_case_whose_row_is_exchanged_after_the_approvals_is_not_executed(
    office: Office, member: str
) -> None:
    """A superuser who is also the key service: it lists the case, and peels it too."""
    person = office.somebody()
    case = office.begin(person)
    before = office.logins_of_the_token()
    with office.in_this_process() as here:
        office.await_gathering(case)
        office.sign(case, "ana")
        office.sign(case, "bob")
        forge(office, case, member)
        assert isinstance(here.running.exception(30), CaseRefusedError)
    assert office.logins_of_the_token() == before
    assert person.opens_with(person.password)


def forge(office: Office, case: UUID, member: str) -> None:
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    mine = {"target_pk": EphemeralKey().point.hex(), "user_id": uuid4(), "nonce": os.urandom(32).hex()}
    body = msgspec.json.decode(row.body)
    body[member] = str(mine[member])
    with office.vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            "UPDATE cases SET body = %s WHERE case_id = %s",
            (msgspec.json.encode(body, order="deterministic"), case),
        )


def test_a_case_of_a_manifest_that_is_not_in_the_chain_is_not_believed(office: Office) -> None:
    case = office.begin(office.somebody())
    with office.in_this_process() as here:
        parts = here.parts
        chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    believe_case(row, chain)
    with pytest.raises(CaseRefusedError):
        believe_case(row, type(chain)(chain.newest, ("00" * 32,)))
    # One that was signed since the chain was read is no forgery: it is looked at again soon.
    before = msgspec.structs.replace(chain.newest, serial=chain.newest.serial - 1)
    with pytest.raises(ManifestNotSeenError) as late:
        believe_case(row, dataclasses.replace(chain, newest=before))
    assert late.value.code not in _UNFIT
