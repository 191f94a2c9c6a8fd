"""What each officer finds in the morning."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from msgspec import structs

from tests.recovery.office import Office
from vault_service.domain.ids import new_uuid
from vault_service.recovery.decide import Person as Told
from vault_service.recovery.decide import veto
from vault_service.recovery.work_list import Task, WorkList, work_list


@pytest.fixture(autouse=True)
def nothing_else(office: Office) -> Iterator[None]:
    """Cases of other tests are out of the way."""
    office.sql("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
    yield
    office.sql("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")


def seen_by(office: Office, name: str, **limits: int) -> WorkList:
    acting = office.acting(name)
    return work_list(office.parts, acting.trusted, acting.officer, **limits)


def what(office: Office, name: str) -> list[str]:
    return [task.waits for task in seen_by(office, name).tasks]


def only(office: Office, name: str) -> Task:
    (task,) = seen_by(office, name).tasks
    return task


def test_a_case_waits_for_those_who_did_not_open_it(office: Office) -> None:
    office.open(by="ana")

    assert what(office, "ana") == ["others"]
    assert what(office, "bob") == ["decide"]
    assert only(office, "bob").is_mine


def test_whoever_has_approved_waits_for_others(office: Office) -> None:
    shown = office.open(by="ana")
    office.approve("bob", shown)

    assert what(office, "bob") == ["others"]
    assert what(office, "cleo") == ["decide"]


def test_a_quorum_waits_for_a_ceremony_and_a_waiting_period_for_time(office: Office) -> None:
    shown = office.open(by="ana")
    office.approve("bob", shown)
    office.approve("cleo", shown)

    assert what(office, "bob") == ["ceremony"]
    earlier = office.later(seconds=-3600)  # before the case is due
    assert what(earlier, "bob") == ["time"]


def test_a_ceremony_that_waits_for_a_share_is_work_of_whoever_holds_one(office: Office) -> None:
    shown = office.open(by="ana")
    office.approve("bob", shown)
    ceremony = office.ceremony([office.shown(shown.case_id)])

    assert what(office, "bob") == ["release"]  # has approved, and not released
    assert what(office, "cleo") == ["decide"]  # which releases as well
    office.approve("cleo", shown)

    assert what(office, "cleo") == ["ceremony"]
    assert only(office, "cleo").said_handed_in
    assert what(office, "ana") == ["release"]  # whoever opened it holds a share too
    office.close(ceremony)
    assert what(office, "bob") == ["ceremony"]


def test_a_note_that_nobody_signed_asks_for_no_share(office: Office) -> None:
    """Whoever can write to the table puts an ephemeral key of his own there."""
    shown = office.open(by="ana")
    office.approve("bob", shown)
    ceremony = office.ceremony([office.shown(shown.case_id)], sign=False)

    assert what(office, "bob") == ["others"]
    assert seen_by(office, "bob").gatherings == ()
    office.close(ceremony)


def test_an_altered_case_is_everybodys_and_hides_no_other(office: Office) -> None:
    other, shown = office.open(by="ana"), office.open(by="ana", kind="drill")
    office.sql("UPDATE cases SET body = body || ' ' WHERE case_id = %(id)s", id=shown.case_id)

    tasks = seen_by(office, "bob").tasks

    assert [(task.case_id, task.waits) for task in tasks] == [
        (shown.case_id, "altered"), (other.case_id, "decide"),
    ]  # fmt: skip
    assert tasks[0].error is not None


def test_an_approval_that_a_superuser_wrote_moves_nothing(office: Office) -> None:
    shown = office.open(by="ana")
    bob, cleo = office.acting("bob"), office.acting("cleo")
    signed = bob.decide(shown.digest, "approve")
    office.plant(shown.case_id, replace(signed, officer_id=cleo.officer.officer_id))

    assert what(office, "cleo") == ["decide"]
    assert only(office, "cleo").shown.judgement.approved_by == ()  # type: ignore[union-attr]


def test_a_flood_of_regains_pushes_no_other_case_off_the_page(office: Office) -> None:
    person = office.person()
    for _ in range(2):
        office.regain(person)
    office.open(by="ana")

    found = seen_by(office, "bob", most=1)

    kinds = {task.shown.case.kind for task in found.tasks if task.shown}
    assert kinds == {"regain", "key-ceremony"}
    assert found.under_way == 3  # and the page says that there is more


def test_a_regain_of_ones_own_account_is_for_others(office: Office) -> None:
    person = office.person()
    office.regain(person)
    acting = office.acting("bob")
    himself = structs.replace(acting.officer, user_ids=(person.user,))

    found = work_list(office.parts, acting.trusted, himself)

    assert [task.waits for task in found.tasks] == ["others"]


def test_what_was_vetoed_or_asked_for_in_vain_is_nobodys_work(office: Office) -> None:
    shown = office.open(by="ana")
    veto(office.parts, office.acting("bob"), shown)
    assert what(office, "cleo") == []


def test_a_regain_approved_with_the_persons_words_waits_for_one_more(office: Office) -> None:
    person = office.person()
    begun = office.regain(person)
    shown = office.shown(begun.case_id)
    office.approve("bob", shown, Told(person.login, begun.verification_phrase))

    assert what(office, "bob") == ["others"]
    assert what(office, "ana") == ["decide"]


def test_a_decoy_is_in_nobodys_list(office: Office) -> None:
    person = office.person()
    person.login = f"{new_uuid()}@example.org"
    office.regain(person)

    assert what(office, "bob") == []
