"""static/stay.js: nobody loses what they typed to a session that ends without a word."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.rehearsal import OK, Rehearsal

MAIN = """<main id="main" tabindex="-1"><label>Reason <textarea></textarea></label></main>
<dialog aria-label="Question"><input></dialog>
<div id="stay" hidden data-left="600" data-address="/stay" data-sign-in="/sign-in?then=/page"
 data-soon="Soon." data-last="For good." data-over="Over." data-away="Not now."
 data-stay="Stay" data-enter="Sign in"></div>"""
HEAD = '<meta name="csrf-token" content="the token">'


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium)
    rehearsal.page.clock.install()
    yield rehearsal
    rehearsal.page.context.close()


@pytest.fixture
def page(made: Rehearsal) -> Page:
    page = shown(made)
    page.get_by_label("Reason").fill("as the court demands")
    return page


def shown(made: Rehearsal) -> Page:
    return made.show(MAIN, "stay.js", head=HEAD, at="/page")


def test_it_is_said_in_time_and_a_click_keeps_the_session(made: Rehearsal, page: Page) -> None:
    page.clock.run_for(470_000)
    assert page.get_by_role("alert").count() == 0
    page.clock.run_for(15_000)
    expect(page.get_by_role("alert")).to_contain_text("Soon.")
    assert made.sent == []  # a page that is left alone asks for nothing

    made.answers.append((OK, {"left_s": 600}))
    page.get_by_role("button", name="Stay").click()

    expect(page.get_by_role("alert")).to_have_count(0)
    assert made.sent == [("/stay", {})]
    assert made.headers[0]["x-csrf-token"] == "the token"
    page.clock.run_for(470_000)
    assert page.get_by_role("alert").count() == 0


@pytest.mark.parametrize("where", ["textarea", "#main"], ids=["in a field", "nowhere"])
def test_after_the_click_one_is_where_one_was(made: Rehearsal, page: Page, where: str) -> None:
    """The button goes: who works by keyboard, or by ear, would begin at the top of the page again."""
    if where == "#main":
        page = shown(made)
    page.clock.run_for(485_000)
    made.answers.append((OK, {"left_s": 600}))

    page.get_by_role("button", name="Stay").press("Enter")

    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(where)).to_be_focused()


def test_it_is_in_reach_above_a_question_that_hides_the_page(made: Rehearsal, page: Page) -> None:
    """Behind it nothing can be clicked, and nothing is read out."""
    page.evaluate("document.querySelector('dialog').showModal()")
    page.clock.run_for(485_000)
    question = page.get_by_role("dialog")
    expect(question.get_by_role("alert")).to_contain_text("Soon.")

    page.evaluate("document.querySelector('dialog').close()")
    page.clock.run_for(5_000)

    made.answers.append((OK, {"left_s": 600}))
    page.get_by_role("button", name="Stay").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_when_it_is_over_what_was_typed_is_there_still(page: Page) -> None:
    page.clock.run_for(700_000)

    expect(page.get_by_role("alert")).to_contain_text("Over.")
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/sign-in?then=/page")
    expect(page.get_by_label("Reason")).to_have_value("as the court demands")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param((OK, {"left_s": 60}), "For good.", id="its whole time ends"),
        pytest.param((401, {}), "Over.", id="it is over"),
        pytest.param((403, {}), "Over.", id="another one was begun"),
        pytest.param((503, {}), "Not now.", id="a part is away"),
        pytest.param((OK, b"<html>"), "Not now.", id="a page"),
        pytest.param(None, "Not now.", id="nobody answers"),
    ],
)
def test_a_click_that_does_not_help_says_so(
    made: Rehearsal, page: Page, answer: tuple[int, object] | None, says: str
) -> None:
    page.clock.run_for(485_000)
    if answer:
        made.answers.append(answer)

    page.get_by_role("button", name="Stay").click()

    expect(page.get_by_role("alert")).to_contain_text(says)


def test_what_did_not_help_is_tried_once_more_with_the_same_key(made: Rehearsal, page: Page) -> None:
    page.clock.run_for(485_000)
    page.get_by_role("button", name="Stay").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Not now.")
    expect(page.get_by_role("button", name="Stay")).to_be_focused()

    made.answers.append((OK, {"left_s": 600}))
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_click_in_another_window_counts_until_it_is_over(page: Page) -> None:
    click = "() => new BroadcastChannel('stay').postMessage(600)"
    page.clock.run_for(485_000)
    expect(page.get_by_role("alert")).to_contain_text("Soon.")
    page.evaluate(click)
    expect(page.get_by_role("alert")).to_have_count(0)

    page.clock.run_for(700_000)
    page.evaluate(click)
    page.clock.run_for(10_000)

    expect(page.get_by_role("alert")).to_contain_text("Over.")
