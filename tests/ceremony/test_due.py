"""However many cases there are, and whoever put them there: what officers have approved is executed."""

import os
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.ceremony.liar import Liar
from tests.ceremony.office import NEW_PASSWORD, Office
from tests.rig.officers import decide, hand_in, officer_key
from tests.rig.vault import settings_of
from vault_service.bootstrap.ceremony import build_ceremony
from vault_service.ceremony import due
from vault_service.ceremony.due import DueCases
from vault_service.domain.case import Case, Scope, case_time, from_case_time, parse_case
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.domain.recovery_errors import CaseClosedError, CaseRefusedError, NotDueError
from vault_service.kms.cases.book import case_row
from vault_service.kms.protocol.message_base import Request
from vault_service.kms.protocol.recovery_messages import Peel
from vault_service.storage.keys.believed_chain import read_chain
from vault_service.storage.keys.cases import find_case, insert_case


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that three cases are a flood."""
    monkeypatch.setattr(due, "MOST_CASES", 2)
    monkeypatch.setattr(due, "_MOST_LOOKED_AT", 4)


def case_of(office: Office, case: UUID) -> Case:
    with office.recovery.db.connection() as conn:
        row = find_case(conn, CaseId(case))
    assert row is not None
    return parse_case(row.body)


def plant(office: Office, like: UUID, number: int) -> list[UUID]:
    """Older cases than this one, in all but the token's MAC as if the key service had opened them."""
    original = case_of(office, like)
    opened = case_time(from_case_time(original.opened_at) - timedelta(hours=1))
    planted = [
        msgspec.structs.replace(original, case_id=new_uuid(), opened_at=opened, not_before=opened)
        for _ in range(number)
    ]
    db = office.vault.keys.open("vault_kms", size=1)
    with db.transaction() as conn:
        for case in planted:
            assert insert_case(conn, case_row(case, case.encode(), os.urandom(32)))
    db.close()
    return [case.case_id for case in planted]


def test_planted_cases_keep_no_genuine_one_out(office: Office) -> None:
    """More of them than one look takes in: each is refused once, and then it hides nothing."""
    person = office.somebody()
    case = office.begin(person)
    plant(office, case, 9)

    result = office.serve(case, "ana", "bob")

    assert [(each.case, each.error) for each in result.outcomes] == [(case, None)]
    assert person.opens_with(NEW_PASSWORD)


def test_cases_that_wait_for_officers_keep_none_out_that_has_them(office: Office) -> None:
    """Whoever knows some logins, or is an officer, opens more than a note has room for; with forged
    approvals beside them, and his own."""
    flood = [office.open("drill", scope=Scope(sample=1)) for _ in range(6)]
    person = office.somebody()
    case = office.begin(person)
    for each in flood[:3]:
        body = case_of(office, each).encode()
        forged = (decide(officer_key(office.vault, name), b"{}") for name in ("ana", "bob"))
        hand_in(office.vault, each, *forged, decide(officer_key(office.vault, "cleo"), body))
    office.sign(case, "ana")
    office.sign(case, "bob")

    with office.in_this_process() as here:
        office.await_gathering(case)
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    assert [(each.case, each.error) for each in result.outcomes] == [(case, None)]
    assert {office.state(each) for each in flood} == {"open"}


def test_what_is_refused_together_with_a_planted_case_is_asked_for_again_soon(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key service says why it refuses the first one: the other may only be due a second later."""
    monkeypatch.setattr(due, "_ASK_AGAIN_S", 0.0)
    first, second = (office.begin(office.somebody()) for _ in range(2))
    parts = build_ceremony(settings_of(office.vault))
    chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
    cases = DueCases(parts)

    cases.leave_out_all([CaseId(first), CaseId(second)], CaseRefusedError.code)
    assert set(cases.believed(chain)) == {first, second}
    cases.leave_out(CaseId(first), NotDueError.code)
    assert set(cases.believed(chain)) == {first, second}
    cases.leave_out(CaseId(first), CaseRefusedError.code)
    assert set(cases.believed(chain)) == {second}
    parts.db.close()
    if parts.records is not None:
        parts.records.close()


def test_a_case_that_others_clocks_call_not_due_is_asked_for_again_at_once_and_then_less_often(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witnesses' clocks say so a second or two after ours: officers wait for the ceremony by then."""
    moment = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    case = CaseId(office.begin(office.somebody()))
    parts = build_ceremony(settings_of(office.vault))
    chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
    cases = DueCases(parts)

    waits: list[float] = []
    for _ in range(7):
        began = moment
        cases.leave_out(case, NotDueError.code)
        while case not in cases.believed(chain):
            moment += 0.5
        waits.append(moment - began)

    assert waits == [1, 2, 4, 8, 16, 30, 30]
    parts.db.close()
    if parts.records is not None:
        parts.records.close()


def test_each_case_is_judged_once_more_before_it_is_executed(office: Office) -> None:
    """By the ceremony itself, when one before it has taken its time: here a veto came in meanwhile."""
    first, second = (office.begin(office.somebody()) for _ in range(2))

    def veto_in_between(liar: Liar, request: Request, told: Any) -> Any:
        if isinstance(request, Peel):
            body = case_of(office, second).encode()
            hand_in(office.vault, second, decide(officer_key(office.vault, "cleo"), body, "veto"))
        return told

    liar = Liar(office, veto_in_between)
    with office.in_this_process(kms=liar) as here:
        office.await_gathering(first, second)
        for each in (first, second):
            office.sign(each, "ana")
            office.sign(each, "bob")
        office.release("ana", "bob")
        result = here.running.result(110)

    assert result is not None
    assert [(each.case, type(each.error)) for each in result.outcomes] == [
        (first, type(None)), (second, CaseClosedError),
    ]  # fmt: skip
    assert [request.case_id for request in liar.asked if isinstance(request, Peel)] == [first]
