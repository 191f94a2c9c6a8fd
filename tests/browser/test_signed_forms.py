"""static/passkey.js: a form, what a passkey signs for it, and what the reader is told of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.rehearsal import HELD, OK, REFUSED, Rehearsal

FORM = """
<main><form method="post" action="/act" data-signed>
<label>Login <input name="login" aria-describedby="hint" required></label>
<span id="hint">As they say it</span>
<div hidden><p tabindex="-1" data-told-first>Done</p><code data-told="link"></code></div>
<button name="how" value="well">Do it</button><button formaction="/other" formnovalidate>Do another</button>
</form></main>"""
CHALLENGE = "ab" * 32


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[tuple[Rehearsal, str]]:
    """One page for all, and the passkey that was made in it."""
    rehearsal = Rehearsal.in_(chromium)
    yield rehearsal, rehearsal.make_passkey()
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(made: tuple[Rehearsal, str]) -> Rehearsal:
    made[0].show(FORM, head='<meta name="csrf-token" content="the token">')
    return made[0]


@pytest.fixture
def page(rehearsal: Rehearsal) -> Page:
    rehearsal.page.get_by_label("Login").fill("ana")
    return rehearsal.page


def asked(made: tuple[Rehearsal, str], **other: Any) -> dict[str, Any]:
    """intents.AskedToSign."""
    return {
        "intent_id": "i1", "challenge": CHALLENGE, "rp_id": "localhost", "credential_id": made[1],
        "says": "Touch it.", "shares": [], "prf_input": "", "wrapped_share_key": "", **other,
    }  # fmt: skip


def do_it(page: Page, button: str = "Do it") -> None:
    page.get_by_role("button", name=button, exact=True).click()


def told(page: Page) -> str:
    alert = page.locator('form[data-signed] [role="alert"]:not(:empty)')
    expect(alert).to_be_focused()
    return " ".join(alert.inner_text().split())


def test_what_was_typed_is_sent_signed_and_followed_to_the_next_page(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    rehearsal.answers += [(OK, asked(made)), (OK, asked(made, intent_id="i2")), (OK, {"location": "/next"})]

    rehearsal.html = "another page"

    do_it(page)
    page.wait_for_url("**/next")

    assert page.evaluate("sessionStorage.length") == 0
    (first, typed), (second, signed), (third, _) = rehearsal.sent
    assert (first, second, third) == ("/act", "/intents/i1", "/intents/i2")
    assert typed == {"login": "ana", "how": "well"}
    assert set(signed) == {
        "authenticator_data", "client_data_json", "signature", "credential_id", "user_handle",
    }  # fmt: skip
    assert signed["credential_id"] == made[1]
    assert bytes.fromhex(signed["authenticator_data"])[32] & 0b101 == 0b101  # present, and verified
    assert all(each["x-csrf-token"] == "the token" for each in rehearsal.headers)


def test_a_button_of_another_address_leads_there(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    rehearsal.answers.append((OK, {"location": "/next"}))

    do_it(page, "Do another")
    page.wait_for_url("**/next")

    assert rehearsal.sent == [("/other", {"login": "ana"})]


def test_while_it_is_busy_it_is_sent_once_and_the_focus_stays_on_the_button(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    rehearsal.answers += [(OK, asked(made)), (OK, HELD)]
    button = page.get_by_role("button", name="Do it")
    status = page.get_by_role("status")
    expect(status).to_be_attached()  # before there is anything to say: else nobody hears it
    button.focus()

    page.keyboard.press("Enter")
    expect(status).to_have_text("Touch it.")
    expect(button).to_be_focused()
    page.get_by_label("Login").press("Enter")
    expect(page.get_by_label("Login")).to_be_focused()
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-disabled", "true")
    assert [path for path, _ in rehearsal.sent] == ["/act", "/intents/i1"]
    rehearsal.held.pop().fulfill(json={"link": "x"})
    page.get_by_text("Done").wait_for()
    assert button.get_attribute("aria-disabled") is None
    expect(status).to_be_empty()


def test_what_comes_back_is_shown_and_led_to_and_the_form_is_empty_again(
    rehearsal: Rehearsal, page: Page
) -> None:
    rehearsal.answers.append((OK, {"link": "<b>the link</b>", 'a"b': "none of the page's"}))

    do_it(page)

    expect(page.get_by_text("Done")).to_be_focused()
    expect(page.locator('[data-told="link"]')).to_have_text("<b>the link</b>")
    assert page.get_by_label("Login").input_value() == ""


def test_a_moment_that_comes_back_is_shown_in_the_readers_zone(rehearsal: Rehearsal) -> None:
    page = rehearsal.show(
        """<form method="post" action="/act" data-signed>
        <p hidden><time data-told="until" data-when></time></p><button>Do it</button></form>"""
    )
    rehearsal.answers.append((OK, {"until": "2026-11-29T07:30:00Z"}))

    do_it(page)

    expect(page.locator("time")).to_have_text("29 Nov 2026, 07:30 UTC")
    assert page.locator("time").get_attribute("datetime") == "2026-11-29T07:30:00Z"


def test_what_needs_an_answer_is_shown_while_there_is_one_and_leads_on_with_it(rehearsal: Rehearsal) -> None:
    page = rehearsal.show(
        """<form method="post" action="/act" data-signed>
        <div hidden><p data-told="found"></p><p data-told-with="user_id"><code data-told="user_id"></code>
        <a href="/cases/new/erasure" data-told-with="user_id" data-told-query="user">Erase</a></p></div>
        <button>Do it</button></form>"""
    )
    for user, shown in (("u&1", True), ("", False)):
        rehearsal.answers.append((OK, {"user_id": user, "found": f"found {user}"}))
        do_it(page)
        expect(page.locator('[data-told="found"]')).to_have_text(f"found {user}".strip())
        expect(page.locator("code")).to_be_visible(visible=shown)
        expect(page.locator("a")).to_be_visible(visible=shown)
        if shown:
            assert (
                page.locator("a").evaluate("(a) => a.pathname + a.search") == "/cases/new/erasure?user=u%261"
            )


def test_a_refusal_is_tied_to_its_field_until_the_form_is_sent_again(
    rehearsal: Rehearsal, page: Page
) -> None:
    problem = {"code": "x", "detail": "nobody has it", "remedy": "Ask again.", "part": "login"}
    rehearsal.answers += [(REFUSED, problem), (OK, {"link": "x"})]
    field = page.get_by_label("Login")

    do_it(page)

    assert told(page).lower() == "nobody has it ask again."
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == "hint problem-login"
    do_it(page)
    expect(page.get_by_text("Done")).to_be_focused()
    assert (field.get_attribute("aria-invalid"), field.get_attribute("aria-describedby")) == (None, "hint")
    expect(page.locator('form[data-signed] [role="alert"]')).to_be_empty()


def test_whoever_is_signed_out_meanwhile_is_shown_the_way_back_to_this_page(
    made: tuple[Rehearsal, str],
) -> None:
    rehearsal = made[0]
    page = rehearsal.show(FORM, at="/page?a=1&b=2")
    page.get_by_label("Login").fill("ana")
    rehearsal.answers.append((REFUSED, {"code": "web.not_signed_in", "detail": "gone", "remedy": ""}))

    do_it(page)

    assert told(page).startswith("gone")
    link = page.get_by_role("link", name="Sign in")
    assert link.get_attribute("href") == "/sign-in?then=%2Fpage%3Fa%3D1%26b%3D2"


@pytest.mark.parametrize("answer", [None, b"<html>", b""], ids=["nothing", "a page", "emptiness"])
def test_a_server_that_says_nothing_sensible_is_said_not_to_answer(
    rehearsal: Rehearsal, page: Page, answer: bytes | None
) -> None:
    if answer is not None:
        rehearsal.answers.append((OK, answer))

    do_it(page)

    assert told(page).startswith("The console does not answer.")


def test_an_answer_that_cannot_be_signed_is_told_and_nothing_is_sent(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    """Not hex; a relying party that this page may not speak for."""
    for other in ({"challenge": "xy"}, {"rp_id": "example.org"}):
        rehearsal.answers.append((OK, asked(made, **other)))
        do_it(page)
        assert told(page).startswith("The browser could not do that.")
    assert [path for path, _ in rehearsal.sent] == ["/act", "/act"]


def test_a_passkey_that_does_not_answer_signs_nothing(
    made: tuple[Rehearsal, str], rehearsal: Rehearsal, page: Page
) -> None:
    """Another one than is asked for, though it belongs to this site."""
    rehearsal.answers.append((OK, asked(made, credential_id="00" * 16)))

    do_it(page)
    page.keyboard.press("Escape")

    assert told(page).startswith("Nothing was signed")
    expect(page.get_by_role("status")).to_be_empty()
    assert [path for path, _ in rehearsal.sent] == ["/act"]


def test_a_browser_that_knows_no_passkeys_says_so_and_sends_nothing(rehearsal: Rehearsal, page: Page) -> None:
    page.evaluate("delete window.PublicKeyCredential")

    do_it(page)

    assert told(page).startswith("This browser knows no passkeys")
    assert rehearsal.sent == []


def test_each_kind_of_field_is_sent_as_the_server_takes_it(made: tuple[Rehearsal, str]) -> None:
    rehearsal = made[0]
    page = rehearsal.show("""<form method="post" action="/act" data-signed>
        <input type="hidden" name="csrf_token" value="x"><input name="gone" value="x" disabled>
        <input type="checkbox" name="fields" value="a" data-as="list" checked>
        <input type="checkbox" name="fields" value="b" data-as="list">
        <input type="checkbox" name="none" value="c" data-as="list">
        <input name="typed" value="d" data-as="list">
        <select name="chosen" multiple data-as="list"><option selected>e<option>f<option selected>g</select>
        <input type="checkbox" name="yes" data-as="boolean" checked>
        <input type="checkbox" name="no" data-as="boolean">
        <input type="radio" name="how" value="one"><input type="radio" name="how" value="two" checked>
        <input type="checkbox" name="unticked" value="x">
        <input name="number" value="7" data-as="number"><input name="empty" data-as="number"><input>
        <button>Do it</button></form>""")
    rehearsal.answers.append((OK, {"location": "/next"}))

    do_it(page)
    page.wait_for_url("**/next")

    assert rehearsal.sent[0][1] == {
        "fields": ["a"], "none": [], "typed": ["d"], "chosen": ["e", "g"],
        "yes": True, "no": False, "how": "two", "number": 7,
    }  # fmt: skip


def test_a_page_that_is_shown_anew_leads_to_what_was_done_on_it(made: tuple[Rehearsal, str]) -> None:
    """And another one begins at its top, though it has such a place as well."""
    rehearsal = made[0]
    page = rehearsal.show(f'<p tabindex="-1" data-outcome>You have approved</p>{FORM}')
    for where, focused in (("/page", True), ("/next", False)):
        page.get_by_label("Login").fill("ana")
        rehearsal.answers.append((OK, {"location": where}))
        with page.expect_navigation():
            do_it(page)
        outcome = page.get_by_text("You have approved")
        if focused:
            expect(outcome).to_be_focused()
        else:
            expect(outcome).not_to_be_focused()
    page.goto("http://localhost/page")
    expect(page.get_by_role("status")).to_be_attached()
    expect(page.get_by_text("You have approved")).not_to_be_focused()
