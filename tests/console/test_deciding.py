"""Deciding at the console: the passkey signs what was shown; what is refused is told and recorded."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.console.casework import approvals_of, approve, digest_of, opened, sign_all, told
from tests.console.desk import Browser, Desk
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.events import KeysEvent
from vault_service.recovery.officers import set_quorum
from vault_service.recovery.propose import draw_up


def test_an_approval_is_the_passkey_s_signature_over_the_case(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    case = desk.office.open("key-ceremony")

    answer = approve(dora, passkey, case)

    assert told(answer) == {"location": f"/cases/{case}"}
    page = dora.get(f"/cases/{case}").text
    assert "You have approved this case" in page
    assert "1 more officer has to approve it" in page
    assert "Approve exactly this case" not in page
    assert KeysEvent.CASE_APPROVED in desk.office.events(case)


def test_who_has_approved_already_signs_nothing_more(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    case = desk.office.open("key-ceremony")
    digest = digest_of(dora, case)
    approve(dora, passkey, case)

    assert dora.post(f"/cases/{case}/approve", {"digest": digest}).json == {"location": f"/cases/{case}"}
    assert approvals_of(desk, case) == 1


def test_who_opened_a_case_does_not_decide_it(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    case = opened(dora, passkey, "key-ceremony")
    page = dora.get(f"/cases/{case}").text
    digest = desk.sql("SELECT encode(sha256(body), 'hex') FROM cases WHERE case_id = %(case)s", case=case)[0][
        0
    ]

    answers = [dora.post(f"/cases/{case}/approve", {"digest": digest})]
    answers.append(dora.post(f"/cases/{case}/veto", {"digest": digest, "sure": "true", "reason": "no"}))

    assert "You cannot approve this case" in page
    assert "dora opened this case" in page
    assert "data-signed" not in page
    for answer in answers:
        assert (answer.status_code, told(answer)["code"]) == (403, "recovery.self_approval")
        assert "Ask another officer" in told(answer)["remedy"]
    assert desk.office.events(case) == [KeysEvent.CASE_OPENED, *[KeysEvent.APPROVAL_REFUSED] * 2]


def test_another_case_than_was_shown_is_not_signed(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    """Two tabs, or a row that was exchanged between looking and signing."""
    first, other = desk.office.open("key-ceremony"), desk.office.open("key-ceremony")

    answer = dora.post(f"/cases/{other}/approve", {"digest": digest_of(dora, first)})

    assert (answer.status_code, told(answer)["code"]) == (409, "recovery.case_differs")
    assert "Look at it again" in told(answer)["remedy"]


def _edit(desk: Desk, case: UUID) -> None:
    desk.sql(
        """UPDATE cases SET body = convert_to(replace(convert_from(body, 'UTF8'), 'a reason', 'A reason'),
           'UTF8') WHERE case_id = %(case)s""",
        case=case,
    )


def _expire(desk: Desk, case: UUID) -> None:
    desk.sql("UPDATE cases SET state = 'expired' WHERE case_id = %(case)s", case=case)


@pytest.mark.parametrize(
    ("meanwhile", "status", "code"),
    [(_edit, 409, "recovery.case_refused"), (_expire, 409, "recovery.case_closed")],
)
def test_what_becomes_of_the_case_while_the_passkey_waits_is_seen(
    desk: Desk, dora: Browser, passkey: SoftPasskey,
    meanwhile: Callable[[Desk, UUID], None], status: int, code: str,
) -> None:  # fmt: skip
    case = desk.office.open("key-ceremony")
    asked = dora.post(f"/cases/{case}/approve", {"digest": digest_of(dora, case)}).json
    desk.sql("ALTER TABLE cases DISABLE TRIGGER USER")

    meanwhile(desk, case)
    answer = dora.send(asked, passkey)

    desk.sql("ALTER TABLE cases ENABLE TRIGGER USER")
    assert (answer.status_code, told(answer)["code"]) == (status, code)
    assert approvals_of(desk, case) == 0


def test_a_signature_counts_once_and_for_its_own_case(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    first, second = desk.office.open("key-ceremony"), desk.office.open("key-ceremony")
    asked = told(dora.post(f"/cases/{first}/approve", {"digest": digest_of(dora, first)}))
    assertion = passkey.sign(bytes.fromhex(asked["challenge"]))
    assert dora.send(asked, passkey, assertion).status_code == 200

    again = dora.send(asked, passkey, assertion)
    asked = told(dora.post(f"/cases/{second}/approve", {"digest": digest_of(dora, second)}))
    elsewhere = dora.send(asked, passkey, assertion)

    assert (again.status_code, told(again)["code"]) == (409, "console.intent_gone")
    assert (elsewhere.status_code, told(elsewhere)["code"]) == (403, "console.passkey_refused")
    assert approvals_of(desk, second) == 0


def test_one_rejection_ends_a_case_and_says_why(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    case = desk.office.open("key-ceremony")
    veto = {"digest": digest_of(dora, case), "sure": "true", "reason": "nobody knows <b>this</b> plan"}

    refused = [
        dora.post(f"/cases/{case}/veto", veto | wrong).status_code
        for wrong in ({"sure": ""}, {"reason": " "})
    ]
    done = sign_all(dora, passkey, dora.post(f"/cases/{case}/veto", veto))

    assert refused == [400, 400]
    assert done.status_code == 200
    assert desk.office.state(case) == "vetoed"
    page = dora.get(f"/cases/{case}").text
    assert "an officer rejected it" in page
    assert "nobody knows &lt;b&gt;this&lt;/b&gt; plan" in page
    assert "data-signed" not in page


@pytest.mark.parametrize("wrong", ["login", "phrase"])
def test_who_asks_for_access_is_not_who_the_officer_thinks(
    desk: Desk, dora: Browser, passkey: SoftPasskey, wrong: str
) -> None:
    person = desk.office.somebody()
    case = desk.office.begin(person)
    typed = {"login": person.login, "phrase": desk.office.phrases[case]}
    typed[wrong] = "zebra " * 6 if wrong == "phrase" else "mallory@example.org"

    answer = approve(dora, passkey, case, **typed)

    assert (answer.status_code, told(answer)["code"]) == (403, "recovery.not_identified")
    assert "Ask the person again" in told(answer)["remedy"]
    assert typed[wrong] not in answer.text
    assert approvals_of(desk, case) == 0


def test_nobody_approves_access_without_having_asked_who_it_is(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    case = desk.office.begin(desk.office.somebody())

    answer = approve(dora, passkey, case, login=" ", phrase="")

    assert told(answer)["code"] == "recovery.identification_needed"


def test_a_page_of_a_regain_knows_neither_login_nor_words(desk: Desk, dora: Browser) -> None:
    person = desk.office.somebody()
    case = desk.office.begin(person)

    page = dora.get(f"/cases/{case}").text

    assert person.login not in page
    assert desk.office.phrases[case] not in page


def test_officers_with_a_passkey_and_with_a_key_file_carry_a_regain_through(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    """The share goes to the ceremony in the act of the approval."""
    person = desk.office.somebody()
    case = desk.office.begin(person)
    with desk.office.in_this_process() as here:
        desk.office.await_gathering(case)
        answer = approve(dora, passkey, case, login=person.login, phrase=desk.office.phrases[case])
        page = dora.get(f"/cases/{case}").text
        desk.office.approve(case, "ana")
        assert here.running.result(110) is not None

    assert answer.status_code == 200
    assert "Your share is with the ceremony" in page
    assert desk.office.state(case) == "executed"


def test_an_officer_change_takes_a_signature_over_the_new_manifest_as_well(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    """An approval without it does not count, and the page says what counts."""
    recovery, cleo = desk.office.recovery, desk.office.acting("cleo")
    proposal = draw_up(recovery, cleo, [set_quorum(disclosure=3)])
    case = desk.office.open("officer-change", manifest=proposal.body)
    before = passkey.count

    approve(dora, passkey, case)

    assert passkey.count == before + 2
    assert "You have approved this case" in dora.get(f"/cases/{case}").text


def test_nothing_is_released_where_nothing_waits(desk: Desk, dora: Browser) -> None:
    case = desk.office.open("key-ceremony")

    answer = dora.post(f"/cases/{case}/release")

    assert (answer.status_code, told(answer)["code"]) == (409, "recovery.note_refused")


def test_rubbish_in_a_share_s_place_is_refused(desk: Desk, dora: Browser, passkey: SoftPasskey) -> None:
    case = desk.office.open("key-ceremony")
    asked = dora.post(f"/cases/{case}/approve", {"digest": digest_of(dora, case)}).json
    rubbish: list[dict[str, Any]] = [{"ceremony_id": "none", "pin_gen": 1, "sealed": "00"}]

    answer = dora.send(asked, passkey, released=rubbish)

    assert answer.status_code == 400
