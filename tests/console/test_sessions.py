"""Sessions of the console: in this process's memory, short, and only of whom the newest manifest names."""

from http import HTTPStatus

from tests.console.desk import Browser, Desk, desk_of
from vault_service.domain.events import KeysEvent as K
from vault_service.recovery.officers import remove
from vault_service.recovery.propose import draw_up, open_change


def is_in(browser: Browser, **headers: str) -> bool:
    return browser.get("/invite", **headers).status_code == HTTPStatus.OK


def test_a_session_ends_when_nothing_is_done_for_a_while(desk: Desk) -> None:
    browser, idle = desk.signed_in("dora"), desk.services.rule.idle_s
    for _ in range(3):
        desk.clock.now += idle - 1
        assert is_in(browser)

    desk.clock.now += idle + 1
    assert not is_in(browser)


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(desk: Desk) -> None:
    """Progress is asked for every few seconds, on a page that was left open."""
    browser, idle = desk.signed_in("dora"), desk.services.rule.idle_s
    polled = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}

    for _ in range(3):
        desk.clock.now += idle / 3 - 1
        assert is_in(browser, **polled)
    desk.clock.now += 4

    assert not is_in(browser, **polled)


def test_whoever_is_told_that_it_ends_soon_keeps_it_by_a_click(desk: Desk) -> None:
    """Until its whole time is over; a page says beforehand how long there is (WCAG 2.2, 2.2.1)."""
    browser, rule = desk.signed_in("dora"), desk.services.rule
    began = desk.clock.now
    desk.clock.now += rule.idle_s - 1
    assert f'data-left="{rule.idle_s}"' in browser.get("/invite").text
    desk.clock.now += rule.idle_s - 1
    assert browser.post("/stay", **{"Sec-Fetch-Mode": "cors"}).json == {"left_s": rule.idle_s}
    desk.clock.now += rule.idle_s - 1
    assert is_in(browser)

    while desk.clock.now + rule.idle_s < began + rule.absolute_s:
        desk.clock.now += rule.idle_s / 2
        browser.post("/stay")
    desk.clock.now = began + rule.absolute_s - 5

    assert browser.post("/stay").json == {"left_s": 5}
    desk.clock.now += 6
    assert browser.post("/stay").json["code"] == "web.not_signed_in"


def test_a_session_ends_after_a_working_day_whatever_is_done(desk: Desk) -> None:
    browser, rule = desk.signed_in("dora"), desk.services.rule
    began = desk.clock.now
    while desk.clock.now + 500 < began + rule.absolute_s:
        desk.clock.now += 500
        assert is_in(browser)

    desk.clock.now = began + rule.absolute_s + 1
    assert not is_in(browser)


def test_a_restart_signs_everybody_out(desk: Desk) -> None:
    before = desk.signed_in("dora")
    again = desk_of(desk.office).browser()
    again.client.set_cookie("__Host-officer", before.cookie or "", secure=True)

    assert not is_in(again)


def test_a_form_of_another_session_is_not_taken(desk: Desk) -> None:
    first, second = desk.signed_in("dora"), desk.signed_in("dora")
    second.csrf = first.csrf

    assert second.post("/invite", {"name": "fay"}).json["code"] == "web.wrong_token"
    assert second.submit("/sign-out").status_code == HTTPStatus.FORBIDDEN
    assert is_in(second)


def test_whoever_is_no_officer_any_more_is_shut_out_at_once(desk: Desk) -> None:
    """Also in the middle of something: what was asked before is not done afterwards."""
    desk.make_officer("gus", ("requester", "approver"))
    browser, gus = desk.signed_in("gus"), desk.people["gus"]
    asked = browser.post("/invite", {"name": "fay"}).json
    cleo = desk.office.acting("cleo")
    proposal = draw_up(desk.office.recovery, cleo, [remove("gus")])
    case = open_change(desk.office.recovery, cleo, proposal, "gus has left").case_id
    desk.office.serve(case, "ana", "bob")

    with desk.leaves(K.OFFICER_SIGN_IN_REFUSED):
        assert browser.get("/sign-in").status_code == HTTPStatus.OK  # whatever page: they are nobody here
        assert browser.send(asked, gus).status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT}
        assert not is_in(browser)
        assert browser.sign_in(gus).status_code == HTTPStatus.FORBIDDEN


def test_whoever_has_another_passkey_now_is_signed_out_of_what_the_old_one_opened(desk: Desk) -> None:
    desk.make_officer("hal", ("approver",))
    old, before = desk.people["hal"], desk.signed_in("hal")
    hal = next(each for each in desk.office.acting("ana").manifest.officers if each.name == "hal")

    desk.make_officer("hal", None, officer=hal.officer_id)

    assert not is_in(before)
    assert desk.browser().sign_in(old).status_code == HTTPStatus.FORBIDDEN
    assert is_in(desk.signed_in("hal"))
