"""A forgotten password, two officers and the ceremony as a process of its own: access to the old data."""

import hashlib
from pathlib import Path

import pyrage

from tests.ceremony.office import NEW_PASSWORD, Office, result_of
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.events import KeysEvent as K


def test_two_officers_give_access_again_and_the_old_password_is_no_more(office: Office) -> None:
    person = office.somebody()
    before = person.unlock()
    case = office.begin(person)
    process = office.start()
    office.await_gathering(case)

    office.approve(case, "ana", "bob")
    result = result_of(process)

    assert [(each["case"], each["state"]) for each in result["cases"]] == [(str(case), "executed")]
    assert not person.opens_with(person.password)
    after = person.unlock(NEW_PASSWORD)
    assert (after.dek, after.dek_id, after.epoch) == (before.dek, before.dek_id, before.epoch + 1)
    assert office.events(case)[-1] == K.ACCESS_REGAINED
    assert process.popen.poll() == 0


def test_one_ceremony_serves_several_cases_of_several_kinds(office: Office) -> None:
    forgetful, gone = [office.somebody(), office.somebody()], office.somebody()
    regains = [office.begin(person) for person in forgetful]
    erasure = office.open("erasure", user=gone.user)
    undecided = office.begin(office.somebody())
    cases = (*regains, erasure, undecided)
    with office.in_this_process() as here:
        office.await_gathering(*cases)
        for officer in ("ana", "bob"):  # each release is to all, each approval for one case
            for case in (*regains, erasure):
                office.sign(case, officer)
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    assert {each.case: each.error for each in result.outcomes} == dict.fromkeys((*regains, erasure))
    assert [person.opens_with(NEW_PASSWORD) for person in forgetful] == [True, True]
    assert not gone.opens_with(gone.password)
    assert office.state(undecided) == "open"


def test_an_officer_whose_share_was_not_needed_holds_one_of_the_next_pin(office: Office) -> None:
    """The PIN is replaced each time; any two officers open the token with the next one."""
    for pair in (("ana", "bob"), ("bob", "cleo"), ("cleo", "ana")):
        person = office.somebody()
        case = office.begin(person)
        office.serve(case, *pair)
        assert person.opens_with(NEW_PASSWORD)


def test_a_case_that_fails_does_not_stop_the_others_and_is_open_again(office: Office) -> None:
    """Somebody has put another user's wrap into the subject's row."""
    hurt, well = office.somebody(), office.somebody()
    cases = [office.begin(hurt), office.begin(well)]
    with office.wrap_of_another(hurt.user, well.user), office.in_this_process() as here:
        office.await_gathering(*cases)
        for case in cases:
            office.sign(case, "ana")
            office.sign(case, "bob")
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    failed, executed = result.outcomes
    assert failed.error is not None
    assert executed.error is None
    assert [office.state(case) for case in cases] == ["open", "executed"]
    assert hurt.opens_with(hurt.password)
    assert well.opens_with(NEW_PASSWORD)


def test_nothing_is_due_is_said_and_is_no_error(office: Office) -> None:
    process = office.start("--wait", "0")
    assert result_of(process) == {"ceremony": None, "cases": []}
    assert process.popen.returncode == 0


def test_a_disclosure_is_made_by_the_ceremony_and_known_by_its_manifest(office: Office) -> None:
    """What is in it: test_disclose.py. The user goes on with the same password."""
    person, recipient = office.somebody(), pyrage.x25519.Identity.generate()
    scope = Scope(collections=(CollectionScope("contact"),))
    case = office.open("disclosure", user=person.user, recipient=str(recipient.to_public()), scope=scope)
    (outcome,) = office.serve(case, "ana", "bob").outcomes

    assert outcome.error is None
    file = Path(outcome.says)
    assert file.parent == office.vault.home / "disclosures"
    manifest = file.with_suffix(".json").read_bytes()
    assert office.digest_of(case, K.DATA_DISCLOSED) == hashlib.sha256(manifest).digest()
    assert pyrage.decrypt(file.read_bytes(), [recipient])
    assert person.opens_with(person.password)
