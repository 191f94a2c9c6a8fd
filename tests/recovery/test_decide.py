"""Deciding: a signature over exactly what was shown, by somebody who may; every refusal is evidence."""

import msgspec
import pytest

from tests.recovery.office import Office, key_of
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto.approvals import SignedDecision
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseRefusedError,
    IdentificationNeededError,
    IdentificationRefusedError,
    SelfApprovalError,
)
from vault_service.recovery.acting import act
from vault_service.recovery.cases import list_all
from vault_service.recovery.decide import Person, approve, submit, veto


def test_two_officers_approve_and_a_third_sees_it(office: Office) -> None:
    shown = office.open(by="ana")

    office.approve("bob", shown)
    done = office.approve("cleo", shown)

    assert done.shown.judgement.has_quorum
    assert office.events(shown.case.case_id) == ["case_opened", "case_approved", "case_approved"]


def test_an_officer_who_approves_twice_is_told_so_and_nothing_is_added(office: Office) -> None:
    shown = office.open()
    assert office.approve("bob", shown).is_new

    again = office.approve("bob", office.shown(shown.case.case_id))

    assert not again.is_new
    assert office.approvals(shown.case.case_id) == 1
    assert office.events(shown.case.case_id) == ["case_opened", "case_approved"]


def test_rows_that_others_planted_in_an_officers_name_block_nobody(office: Office) -> None:
    """Otherwise whoever can insert a row decides who decides."""
    shown = office.open()
    bob, _ = key_of(office.vault.home, "bob")
    office.plant(shown.case.case_id, SignedDecision(bob.officer, bob.authenticator, "approve", bytes(64)))
    office.plant(shown.case.case_id, SignedDecision(bob.officer, bob.authenticator, "veto", bytes(64)))
    other = office.acting("bob").decide(office.open().digest, "approve")  # genuine, of another case
    office.plant(shown.case.case_id, other)

    done = office.approve("bob", office.shown(shown.case.case_id))

    assert done.is_new
    assert [str(who) for who in done.shown.judgement.approved_by] == [str(bob.officer)]
    assert not done.shown.judgement.vetoed_by


def test_whoever_opened_a_case_does_not_approve_it_and_the_refusal_is_recorded_first(office: Office) -> None:
    shown = office.open(by="ana")

    with pytest.raises(SelfApprovalError):
        office.approve("ana", shown)
    with pytest.raises(SelfApprovalError):
        veto(office.parts, office.acting("ana"), shown)

    assert office.approvals(shown.case.case_id) == 0
    assert office.events(shown.case.case_id) == ["case_opened", "approval_refused", "approval_refused"]


def test_somebody_who_is_no_officer_any_more_approves_nothing(office: Office) -> None:
    """The manifest is asked, not the key file: who was removed keeps the file."""
    shown = office.open()
    key, pinned = key_of(office.vault.home, "bob")
    removed = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "dora")
    rekeyed = OfficerKey.generate(key.officer, key.authenticator, "bob")
    for stranger in (removed, rekeyed):
        with pytest.raises(ApprovalRefusedError):
            approve(office.parts, act(office.parts, stranger, pinned), shown)

    assert office.approvals(shown.case.case_id) == 0
    assert office.events(shown.case.case_id) == ["case_opened", "approval_refused", "approval_refused"]


def test_a_case_that_was_exchanged_after_it_was_shown_is_not_signed(office: Office) -> None:
    """Between looking and signing a superuser edits it, so that it fits its row in every column."""
    shown = office.open(reason="harmless")
    edited = msgspec.structs.replace(shown.case, reason="not so")
    office.sql(
        "UPDATE cases SET body = %(body)s WHERE case_id = %(id)s", body=edited.encode(), id=edited.case_id
    )

    with pytest.raises(CaseRefusedError):
        office.approve("bob", shown)

    assert office.approvals(shown.case.case_id) == 0
    assert office.events(shown.case.case_id)[-1] == "case_integrity_failed"


@pytest.mark.parametrize("column", ["kind", "not_before", "expires_at", "opened_at", "user_id"])
def test_a_case_whose_columns_say_otherwise_is_not_shown_and_hides_no_other(
    office: Office, column: str
) -> None:
    shown, other = office.open(), office.open()
    changes = {
        "kind": "kind = 'drill'",
        "not_before": "not_before = not_before - interval '1 s'",
        "expires_at": "expires_at = expires_at + interval '1 s'",
        "opened_at": "opened_at = opened_at - interval '1 s'",
        "user_id": "user_id = gen_random_uuid()",
    }
    office.sql(
        "UPDATE cases SET " + changes[column] + " WHERE case_id = %(id)s",
        id=shown.case.case_id,
    )

    with pytest.raises(CaseRefusedError):
        office.shown(shown.case.case_id)
    rows = {row.case_id: row for row in list_all(office.parts, office.acting("ana").trusted)}
    assert rows[shown.case_id].shown is None
    assert rows[other.case_id].shown is not None


def test_one_veto_ends_a_case_and_what_is_ended_is_not_approved(office: Office) -> None:
    shown = office.open()

    assert veto(office.parts, office.acting("cleo"), shown).state == "vetoed"

    with pytest.raises(CaseClosedError):
        office.approve("bob", shown)
    assert office.events(shown.case.case_id) == ["case_opened", "case_vetoed", "approval_refused"]
    assert office.shown(shown.case.case_id).judgement.vetoed_by


def test_a_veto_reaches_the_key_service_also_while_a_ceremony_executes_the_case(office: Office) -> None:
    """It counts if that ceremony dies; an approval would come too late for anything."""
    shown = office.open()
    with office.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = 'executing' WHERE case_id = %s", (shown.case_id,))

    with pytest.raises(CaseClosedError, match="should that fail, the veto counts"):
        veto(office.parts, office.acting("cleo"), shown)
    with pytest.raises(CaseClosedError, match="is executing"):
        office.approve("bob", shown)
    assert office.shown(shown.case_id).judgement.vetoed_by


def test_an_expired_case_is_not_approved(office: Office) -> None:
    shown = office.open()

    with pytest.raises(CaseClosedError):
        office.later(days=30).approve("bob", shown)


def test_a_regain_is_approved_by_who_knows_the_login_and_the_words(office: Office) -> None:
    person = office.person()
    begun = office.regain(person)
    shown = office.shown(begun.case_id)
    told = Person(person.login, begun.verification_phrase.upper().replace(" ", "  "))

    done = office.approve("bob", shown, told)

    assert len(done.shown.judgement.approved_by) == 1
    assert done.shown.decisions[0].identified is not None
    assert "officer_identified_subject" in office.events(begun.case_id)


def test_a_regain_is_not_approved_without_them(office: Office) -> None:
    person, other = office.person(), office.person()
    begun = office.regain(person)
    shown = office.shown(begun.case_id)

    with pytest.raises(IdentificationNeededError):
        office.approve("bob", shown)
    for told in (
        Person(other.login, begun.verification_phrase),
        Person(person.login, office.regain(other).verification_phrase),
    ):
        with pytest.raises(IdentificationRefusedError):
            office.approve("bob", shown, told)
    assert office.approvals(begun.case_id) == 0
    assert office.events(begun.case_id)[-2:] == ["identification_refused"] * 2


def test_an_approval_of_a_regain_without_the_key_services_word_is_not_counted(office: Office) -> None:
    """It would show a quorum that peeling refuses."""
    begun = office.regain(office.person())
    shown = office.shown(begun.case_id)
    for name in ("bob", "cleo"):
        office.plant(begun.case_id, office.acting(name).decide(shown.digest, "approve"))

    assert office.shown(begun.case_id).judgement.approved_by == ()


def test_a_case_about_a_login_that_nobody_has_looks_like_any_other(office: Office) -> None:
    """Who asked learns nothing from the officer on the phone either; and it is never approved."""
    person = office.person()
    person.login = f"nobody-{new_uuid().hex}@example.org"
    begun = office.regain(person)

    shown = office.shown(begun.case_id)
    with pytest.raises(IdentificationRefusedError):
        office.approve("bob", shown, Person(person.login, begun.verification_phrase))

    assert shown.case_id not in {row.case_id for row in list_all(office.parts, office.acting("ana").trusted)}


def test_a_signature_from_elsewhere_is_checked_like_ones_own(office: Office) -> None:
    """The console hands in what a browser has signed."""
    shown, other = office.open(), office.open()

    submit(office.parts, office.acting("bob"), shown, office.acting("bob").decide(shown.digest, "approve"))
    with pytest.raises(VaultError):
        submit(
            office.parts, office.acting("bob"), shown, office.acting("bob").decide(other.digest, "approve")
        )

    assert office.approvals(shown.case.case_id) == 1
