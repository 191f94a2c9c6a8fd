"""What happens between two touches of a passkey, or beside one, adds nothing to what the officer signed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.console.casework import approvals_of, approve, digest_of, sign_all, told
from tests.console.desk import Answer, Browser, Desk
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.events import KeysEvent as K
from vault_service.recovery.officers import set_quorum
from vault_service.recovery.propose import draw_up, open_change


def restart_the_key_service(desk: Desk) -> None:
    desk.office.vault.running["kms"].stop()
    desk.office.vault.start_forked_kms()


def asked_about(desk: Desk, browser: Browser, case: UUID) -> Answer:
    person = {"login": desk.office.logins[case], "phrase": desk.office.phrases[case]}
    return browser.post(f"/cases/{case}/approve", {"digest": digest_of(browser, case), **person})


@contextmanager
def clock_wrong_by(desk: Desk, seconds: int) -> Iterator[None]:
    recovery = desk.services.recovery
    right = recovery.now
    object.__setattr__(recovery, "now", lambda: right() + timedelta(seconds=seconds))
    try:
        yield
    finally:
        object.__setattr__(recovery, "now", right)


def test_a_key_service_that_starts_anew_between_two_touches_costs_at_most_one_more(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    """It has forgotten which calls it has seen, and takes none from before; what it vouched for it knows."""
    case = desk.office.begin(desk.office.somebody())
    with clock_wrong_by(desk, -5):  # not in the second in which it starts
        before_the_first = asked_about(desk, dora, case).json
    restart_the_key_service(desk)
    with desk.leaves(K.OFFICER_REFUSED):
        answer = dora.send(before_the_first, passkey)
    assert "before the key service started" in answer.json["detail"]

    before_the_second = dora.send(asked_about(desk, dora, case).json, passkey).json
    restart_the_key_service(desk)
    assert told(dora.send(before_the_second, passkey)) == {"location": f"/cases/{case}"}
    assert approvals_of(desk, case) == 1
    assert "You have approved this case" in dora.get(f"/cases/{case}").text


@pytest.mark.parametrize("seconds", [-180, 180])
def test_a_console_whose_clock_is_wrong_is_told_so_and_vouched_for_nothing(
    desk: Desk, dora: Browser, passkey: SoftPasskey, seconds: int
) -> None:
    case = desk.office.begin(desk.office.somebody())

    with clock_wrong_by(desk, seconds):
        answer = dora.send(asked_about(desk, dora, case).json, passkey)

    assert "from this host's time" in answer.json["detail"]
    assert approvals_of(desk, case) == 0


def test_one_answer_that_is_handed_in_twice_at_once_is_done_once(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    case = desk.office.open("key-ceremony")
    asked: Any = dora.post(f"/cases/{case}/approve", {"digest": digest_of(dora, case)}).json
    signed = passkey.sign(bytes.fromhex(asked["challenge"]))
    windows = [desk.browser() for _ in range(4)]
    for each in windows:
        each.client.set_cookie("__Host-officer", dora.cookie or "", secure=True)
        each.csrf = dora.csrf

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda window: window.send(asked, passkey, signed), windows))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert approvals_of(desk, case) == 1


def test_one_passkey_s_answer_signs_one_window_in(desk: Desk, passkey: SoftPasskey) -> None:
    """Also a passkey that does not count its signatures."""
    windows = [desk.browser() for _ in range(4)]
    asked: Any = windows[0].post("/sign-in").json
    signed = passkey.sign(bytes.fromhex(asked["challenge"]))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda window: window.send(asked, passkey, signed), windows))

    assert len([each for each in windows if each.cookie]) == 1


def test_a_manifest_that_is_exchanged_between_endorsing_and_approving_is_approved_by_nobody(
    desk: Desk, dora: Browser, passkey: SoftPasskey
) -> None:
    """A superuser puts another proposal under the case that was shown."""
    recovery, cleo = desk.office.recovery, desk.office.acting("cleo")
    shown, other = (
        open_change(recovery, cleo, draw_up(recovery, cleo, [change]), "for safety")
        for change in (set_quorum(base=3), set_quorum(disclosure=3))
    )
    first: Any = dora.post(f"/cases/{shown.case_id}/approve", {"digest": digest_of(dora, shown.case_id)}).json
    second: Any = dora.send(first, passkey).json
    desk.sql("ALTER TABLE proposed_manifests DISABLE TRIGGER USER")
    desk.sql(
        "UPDATE proposed_manifests SET body = %(body)s WHERE case_id = %(case)s",
        body=other.proposed, case=shown.case_id,
    )  # fmt: skip

    answer = dora.send(second, passkey)

    assert told(answer)["code"] == "recovery.case_refused"
    assert approvals_of(desk, shown.case_id) == 0
    assert told(approve(dora, passkey, other.case_id)) == {"location": f"/cases/{other.case_id}"}


def test_after_signing_out_nothing_that_was_asked_is_done(desk: Desk, passkey: SoftPasskey) -> None:
    browser, case = desk.signed_in("dora"), desk.office.open("key-ceremony")
    asked = browser.post(f"/cases/{case}/approve", {"digest": digest_of(browser, case)}).json
    browser.submit("/sign-out")

    assert browser.send(asked, passkey).json["code"] == "console.intent_gone"
    again = desk.signed_in("dora")
    assert again.send(asked, passkey).json["code"] == "console.intent_gone"
    assert approvals_of(desk, case) == 0
    assert sign_all(again, passkey, again.post(f"/cases/{case}/approve", {"digest": digest_of(again, case)}))
