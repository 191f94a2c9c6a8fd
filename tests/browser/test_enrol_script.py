"""static/enrol.js with a server that the test plays: the link's secret, and a file that opens."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import Authenticator
from tests.browser.rehearsal import OK, REFUSED, Rehearsal, render

PAGE = render("enrol/enrol.html", most=4)
PASSPHRASE = "nine geese walk home at dusk"
HANDLE = "01" * 16


def offer(**other: Any) -> dict[str, Any]:
    """enrol.MakePasskey."""
    return {
        "enrolment_id": "e1", "name": "gil", "user_handle": HANDLE, "challenge": "ab" * 32,
        "rp_id": "localhost", "rp_name": "tests", "taken": [], "present": [], "prf_input": "cd" * 32,
        "wrap_info_begin": "ef", "officer_id": "an officer", "authenticator_id": "a passkey", **other,
    }  # fmt: skip


@pytest.fixture(scope="module")
def with_prf(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium)
    yield rehearsal
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(with_prf: Rehearsal) -> Rehearsal:
    with_prf.html = ""
    with_prf.open("/nothing")
    with_prf.page.evaluate("sessionStorage.clear()")
    return with_prf


def opened(rehearsal: Rehearsal, *answers: tuple[int, Any]) -> Page:
    """By the link, on a page of its own: another fragment alone would be no other page."""
    rehearsal.page.goto("about:blank")
    rehearsal.html = PAGE
    rehearsal.sent.clear()
    rehearsal.answers[:] = answers
    rehearsal.page.goto("http://localhost/enrol#the-token")
    return rehearsal.page


def make(page: Page) -> None:
    page.get_by_role("button", name="Make my passkey").click()


def alert(page: Page) -> Any:
    return page.locator('#enrol [role="alert"]:not(:empty)')


def test_the_token_leaves_the_address_and_outlives_a_reload_until_the_card_is_in(
    rehearsal: Rehearsal,
) -> None:
    page = opened(rehearsal, (OK, offer()))
    expect(page.locator("[data-name]")).to_have_text("gil")
    assert page.url == "http://localhost/enrol"
    assert rehearsal.sent == [("/enrol/begin", {"token": "the-token"})]

    rehearsal.answers.append((OK, offer(name="gil again")))
    page.reload()
    expect(page.locator("[data-name]")).to_have_text("gil again")
    assert rehearsal.sent[1:] == [("/enrol/begin", {"token": "the-token"})]

    rehearsal.answers.append((OK, {"location": "/enrolled/1"}))
    rehearsal.html = "another page"
    make(page)
    page.wait_for_url("**/enrolled/1")
    assert page.evaluate("sessionStorage.length") == 0
    card = rehearsal.sent[2][1]
    assert (card["enrolment_id"], len(card["wrapped_share_key"]), len(card["share_key"])) == ("e1", 332, 130)


def test_a_link_that_is_pasted_into_the_open_page_counts(rehearsal: Rehearsal) -> None:
    page = opened(rehearsal, (REFUSED, {"code": "x", "detail": "used", "remedy": "Ask for another."}))
    expect(alert(page)).to_contain_text("Ask for another.")

    rehearsal.answers.append((OK, offer()))
    page.evaluate("location.hash = 'another'")

    expect(page.locator("[data-name]")).to_have_text("gil")
    assert rehearsal.sent[-1] == ("/enrol/begin", {"token": "another"})


def test_after_a_refused_card_the_next_attempt_is_a_new_one(rehearsal: Rehearsal) -> None:
    """What the server gave was used up; another passkey for the old challenge would be refused for ever."""
    page = opened(rehearsal, (OK, offer()), (REFUSED, {"code": "x", "detail": "no", "remedy": "Again."}))
    expect(page.locator("[data-name]")).to_have_text("gil")
    make(page)
    expect(alert(page)).to_contain_text("Again.")

    rehearsal.answers += [(OK, offer(enrolment_id="e2")), (OK, {"location": "/enrolled/1"})]
    make(page)
    page.wait_for_url("**/enrolled/1")

    assert [path for path, _ in rehearsal.sent] == [
        "/enrol/begin", "/enrol/card", "/enrol/begin", "/enrol/card",
    ]  # fmt: skip
    assert rehearsal.sent[-1][1]["enrolment_id"] == "e2"


def test_a_device_that_is_another_officers_already_makes_no_passkey(rehearsal: Rehearsal) -> None:
    page = opened(rehearsal, (OK, offer()), (OK, {"location": "/enrolled/1"}))
    expect(page.locator("[data-name]")).to_have_text("gil")
    make(page)
    page.wait_for_url("**/enrolled/1")
    assert all(
        each["isResidentCredential"] for each in rehearsal.authenticator.credentials()
    )  # found by itself
    taken = [b64decode(each["credentialId"]).hex() for each in rehearsal.authenticator.credentials()]

    page = opened(rehearsal, (OK, offer(taken=taken)))
    expect(page.locator("[data-name]")).to_have_text("gil")
    make(page)

    expect(alert(page)).to_contain_text("another officer’s already")
    assert [path for path, _ in rehearsal.sent] == ["/enrol/begin"]


def test_whoever_has_as_many_as_one_may_have_is_told_so_before_any_is_touched(rehearsal: Rehearsal) -> None:
    present = [{"credential_id": "aa" * 16, "wrapped_share_key": "", "wrap_info": "ef"}] * 4
    page = opened(rehearsal, (OK, offer(present=present, is_full=True)))
    expect(page.get_by_text("You have 4 passkeys, which is the most")).to_be_visible()
    before = len(rehearsal.authenticator.credentials())

    page.get_by_label("I keep it").check()
    make(page)

    expect(alert(page)).to_contain_text("can only take the place of them all")
    assert len(rehearsal.authenticator.credentials()) == before
    page = opened(rehearsal, (OK, offer(present=present[:3])))
    expect(page.locator("[data-has-passkey]")).to_be_visible()
    expect(page.get_by_text("which is the most")).to_be_hidden()


@pytest.fixture(scope="module")
def without_prf(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium)
    rehearsal.authenticator._call("removeVirtualAuthenticator")
    rehearsal.authenticator = Authenticator.of(rehearsal.page, prf=False)
    yield rehearsal
    rehearsal.page.context.close()


def type_twice(page: Page, first: str, again: str) -> None:
    page.get_by_label("A passphrase for the file").fill(first)
    page.get_by_label("The same again").fill(again)
    page.get_by_role("button", name="Save my key file").click()


def test_a_key_file_needs_a_passphrase_that_was_meant_and_is_opened_before_the_card_goes(
    without_prf: Rehearsal, tmp_path: Path
) -> None:
    """Whoever cannot open it today could release no share on the day that it is needed."""
    page = opened(without_prf, (OK, offer(authenticator_id=str(uuid4()))))
    expect(page.locator("[data-name]")).to_have_text("gil")
    make(page)
    expect(page.get_by_role("heading", name="Keep a key file too")).to_be_focused()

    type_twice(page, PASSPHRASE, PASSPHRASE + "n")
    expect(alert(page)).to_contain_text("The two passphrases differ.")
    type_twice(page, "\U0001f98a" * 14, "\U0001f98a" * 14)  # fourteen characters, though twice as many units
    expect(alert(page)).to_contain_text("fewer than 15")
    with page.expect_download() as saved:
        type_twice(page, PASSPHRASE, PASSPHRASE)
    kept = json.loads(saved.value.path().read_text())
    assert (kept["v"], kept["iterations"], len(kept["salt"]), len(kept["wrapped"])) == (1, 1_000_000, 32, 332)
    expect(page.get_by_role("button", name="Go on without")).to_be_hidden()
    other = tmp_path / "other.json"
    other.write_text(json.dumps(kept | {"iterations": 1}))
    page.get_by_label("Key file", exact=True).set_input_files(other)
    page.get_by_label("Its passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Open it").click()

    expect(alert(page)).to_contain_text("does not open with that passphrase")
    assert [path for path, _ in without_prf.sent] == ["/enrol/begin"]  # no card without a file that opens
