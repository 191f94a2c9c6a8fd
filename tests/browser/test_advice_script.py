"""static/password_advice.js: advice on the password as it stands in the field now, and on no other."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.rehearsal import HELD, OK, USER_PAGE, Rehearsal

FORM = """<form><input name="login" value="ana"><label>Password <input data-advised="advice"></label>
<div id="advice" role="status"></div></form>"""
HEAD = """<meta name="csrf-token" content="the token"><meta name="text:advice-weak" content="Too weak:">
<meta name="text:advice-good" content="It would do.">"""
WEAK = {"reasons": ["<b>short</b>", "common"]}


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium, USER_PAGE)
    rehearsal.stop_the_clock()
    yield rehearsal
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(made: Rehearsal) -> Rehearsal:
    made.show(FORM, "password_advice.js", head=HEAD)
    return made


def typed(rehearsal: Rehearsal, password: str) -> Page:
    rehearsal.page.get_by_label("Password").fill(password)
    rehearsal.page.clock.run_for(400)
    return rehearsal.page


def test_reasons_are_told_as_text_once_somebody_pauses(rehearsal: Rehearsal) -> None:
    rehearsal.answers += [(OK, WEAK), (OK, {"reasons": []})]
    rehearsal.page.get_by_label("Password").press_sequentially("abc")
    advice = typed(rehearsal, "abcd").get_by_role("status")

    expect(advice.get_by_role("listitem")).to_have_text(["<b>short</b>", "common"])
    assert rehearsal.sent == [("/me/password-advice", {"password": "abcd", "login": "ana"})]
    assert rehearsal.headers[0]["x-csrf-token"] == "the token"
    typed(rehearsal, "abcde")
    expect(advice).to_have_text("It would do.")
    typed(rehearsal, "")
    expect(advice).to_be_empty()
    assert len(rehearsal.sent) == 2


def test_an_answer_about_what_is_not_there_any_more_is_not_shown(rehearsal: Rehearsal) -> None:
    """A slow "it would do" must not stand beside another password."""
    rehearsal.answers += [(OK, HELD), (OK, WEAK)]
    typed(rehearsal, "first")
    page = typed(rehearsal, "second")
    expect(page.get_by_role("status")).to_contain_text("Too weak:")

    rehearsal.held.pop().fulfill(json={"reasons": []})
    page.wait_for_timeout(100)

    expect(page.get_by_role("status")).to_contain_text("Too weak:")


def test_what_is_typed_can_be_looked_at_and_is_sent_as_a_password(made: Rehearsal) -> None:
    page = made.show(
        """<form method="post" action="/act">
        <p class="field"><label>New <input type="password" name="new_password"></label></p>
        <p class="field"><label>Again <input type="password" name="again"></label></p>
        <button>Send</button></form>""",
        "show_typed.js",
        head='<meta name="text:show" content="Show what I type">',
    )
    box = page.get_by_role("checkbox", name="Show what I type")
    kinds = "() => [...document.querySelectorAll('p [name]')].map((field) => [field.name, field.type])"
    box.check()
    assert page.evaluate(kinds) == [["new_password", "text"], ["again", "text"]]
    page.evaluate("document.forms[0].addEventListener('submit', (event) => event.preventDefault())")

    page.get_by_role("button", name="Send").click()

    assert page.evaluate(kinds) == [["new_password", "password"], ["again", "password"]]
    assert not box.is_checked()


@pytest.mark.parametrize(
    "answer", [None, (429, {"reasons": []}), (OK, b"<html>")], ids=["nothing", "429", "a page"]
)
def test_where_no_advice_comes_none_is_shown(rehearsal: Rehearsal, answer: tuple[int, object] | None) -> None:
    rehearsal.answers.append((OK, WEAK))
    page = typed(rehearsal, "first")
    expect(page.get_by_role("status")).to_contain_text("Too weak:")
    if answer:
        rehearsal.answers.append(answer)

    typed(rehearsal, "second")

    expect(page.get_by_role("status")).to_be_empty()
