"""static/case.js: the page of a case is loaded anew once out of date, but not under anybody's hands."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.rehearsal import HELD, OK, REFUSED, Rehearsal, render

TEXTS = {"case-changed": "It has changed.", "case-anew": "Anew", "case-stopped": "It stands still."}
HEAD = "".join(f'<meta name="text:{name}" content="{text}">' for name, text in TEXTS.items())
CASE = """
<main id="main" tabindex="-1"><div tabindex="-1" data-outcome>Approved</div><p id="words">some words</p>
<form method="post" action="/act" data-signed><label>Login <input name="login"></label>
<label><input type="checkbox" name="sure"> Sure</label><button>Do it</button></form>
<details><summary>Reject</summary><p>why</p></details>
<div role="status" data-case="c1" data-shows="aa"></div></main>"""
SAME, OTHER = (OK, {"shows": "aa"}), (OK, {"shows": "bb"})
GONE: tuple[int, dict[str, str]] = (401, {})


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium)
    rehearsal.stop_the_clock()
    yield rehearsal
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(made: Rehearsal) -> Rehearsal:
    made.show(CASE + render("passkey/parts.html"), "passkey.js", "case.js", head=HEAD)
    return made


def look(rehearsal: Rehearsal, answer: object) -> Page:
    """Three seconds go by, and the page is told this."""
    rehearsal.answers.append(answer)  # type: ignore[arg-type]
    rehearsal.pass_time(3000)
    return rehearsal.page


def box(page: Page) -> Locator:
    return page.locator("[data-case]")


def test_the_page_is_loaded_anew_only_when_it_shows_something_else(rehearsal: Rehearsal) -> None:
    page = look(rehearsal, SAME)
    expect(box(page)).to_be_empty()
    assert len(rehearsal.opened) == 1

    with page.expect_navigation():
        look(rehearsal, OTHER)

    assert [path for path, _ in rehearsal.sent] == ["/cases/c1/now"] * 2
    assert len(rehearsal.opened) == 2


def test_whoever_was_led_to_what_they_have_done_is_led_to_what_came_of_it(rehearsal: Rehearsal) -> None:
    rehearsal.page.locator("[data-outcome]").focus()

    with rehearsal.page.expect_navigation():
        look(rehearsal, OTHER)

    expect(rehearsal.page.locator("[data-outcome]")).to_be_focused()
    assert rehearsal.page.evaluate("sessionStorage.length") == 0


def _select(page: Page) -> None:
    page.evaluate("getSelection().selectAllChildren(document.getElementById('words'))")


def _sign(page: Page) -> None:
    page.get_by_role("button", name="Do it").click()
    page.evaluate("document.activeElement.blur()")


def _be_refused(page: Page) -> None:
    page.evaluate(
        """() => { const alert = document.createElement('div'); alert.setAttribute('role', 'alert');
                   alert.textContent = 'refused'; document.querySelector('[data-signed]').prepend(alert); }"""
    )


def _type(page: Page) -> None:
    page.get_by_label("Login").fill("ana")
    page.evaluate("document.activeElement.blur()")


def _tick(page: Page) -> None:
    page.get_by_label("Sure").check()
    page.evaluate("document.activeElement.blur()")


def _open(page: Page) -> None:
    page.get_by_text("Reject").click()
    page.evaluate("document.activeElement.blur()")


def _ask_for_file(page: Page) -> None:
    page.evaluate("document.getElementById('key-file-dialog').show(); document.activeElement.blur()")


BUSY: dict[str, Callable[[Page], None]] = {
    "stands in a field": lambda page: page.get_by_label("Login").focus(),
    "has typed": _type,
    "has ticked": _tick,
    "is about to reject": _open,
    "copies something": _select,
    "is asked for a file": _ask_for_file,
    "signs": _sign,
    "reads a refusal": _be_refused,
}


@pytest.mark.parametrize("busy", BUSY)
def test_whoever_does_something_is_told_once_and_keeps_the_page(rehearsal: Rehearsal, busy: str) -> None:
    if busy == "signs":
        rehearsal.answers.append((OK, HELD))
    BUSY[busy](rehearsal.page)
    rehearsal.pass_time(0)

    page = look(rehearsal, OTHER)

    expect(box(page)).to_have_text("It has changed. Anew")
    assert page.get_by_role("link", name="Anew").get_attribute("href") == "/page"
    page.evaluate("document.querySelector('[data-case] p').dataset.first = ''")
    look(rehearsal, OTHER)
    assert page.locator("[data-case] [data-first]").count() == 1  # not said again
    assert len(rehearsal.opened) == 1


def test_once_they_are_done_it_is_loaded_anew(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    page.get_by_label("Login").fill("ana")
    look(rehearsal, OTHER)
    page.get_by_label("Login").fill("")
    page.locator("#words").click()

    with page.expect_navigation():
        look(rehearsal, OTHER)


@pytest.mark.parametrize("answers", [[GONE], [(REFUSED, {})] * 5], ids=["signed out", "no answers"])
def test_a_page_that_stands_still_says_so(rehearsal: Rehearsal, answers: list[object]) -> None:
    for answer in answers:
        look(rehearsal, answer)

    expect(box(rehearsal.page)).to_have_text("It stands still.")
    asked = len(rehearsal.sent)
    rehearsal.pass_time(3000)
    rehearsal.page.wait_for_timeout(50)
    assert len(rehearsal.sent) == asked
