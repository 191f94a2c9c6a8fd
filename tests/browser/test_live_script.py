"""static/live.js on a clock of the test's: what it shows, when it loads the page anew, when it gives up."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.rehearsal import OK, REFUSED, Rehearsal

TEXTS = {"changed": "Now:", "finished": "finished", "running": "running", "stopped": "It stands still."}
HEAD = "".join(f'<meta name="text:{name}" content="{text}">' for name, text in TEXTS.items())
BOX = """
<div data-live="/live"><p role="status" data-live-says></p>
<section data-turn="r1" data-state="running">
<span data-part="state">running</span><span data-part="count"></span>
<span data-part="says"></span><progress max="10" value="1"></progress></section>
<section data-ceremony="c1">
<span data-part="count"></span><progress max="2" value="0"></progress></section></div>"""


@pytest.fixture(scope="module")
def made(chromium: Browser) -> Iterator[Rehearsal]:
    rehearsal = Rehearsal.in_(chromium)
    rehearsal.stop_the_clock()
    yield rehearsal
    rehearsal.page.context.close()


@pytest.fixture
def rehearsal(made: Rehearsal) -> Rehearsal:
    made.show(BOX, "live.js", head=HEAD)
    return made


def turn(**other: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "state": "running",
        "count": "4 of 8",
        "says": "on its way",
        "looked_at": 4,
        "of": 8,
        **other,
    }


def live(*turns: dict[str, Any], ceremonies: tuple[str, ...] = ("c1",)) -> tuple[int, dict[str, Any]]:
    told = [{"id": each, "count": "1 of 2", "shares": 1, "need": 2} for each in ceremonies]
    return OK, {"rotations": list(turns), "ceremonies": told}


def look(rehearsal: Rehearsal, *answers: Any, times: int = 0) -> Page:
    """Two seconds go by, for each answer once; or so often without one, since nobody asks."""
    for answer in answers or [None] * times:
        asked = len(rehearsal.sent)
        if answer:
            rehearsal.answers.append(answer)
        rehearsal.pass_time(2000)
        if not answer:
            rehearsal.page.wait_for_timeout(50)
        assert len(rehearsal.sent) <= asked + 1
    return rehearsal.page


def test_bars_move_in_silence_and_a_change_of_state_is_said(rehearsal: Rehearsal) -> None:
    page = look(rehearsal, live(turn()))
    bar = page.locator("[data-turn] progress")

    expect(page.locator('[data-turn] [data-part="count"]')).to_have_text("4 of 8")
    expect(page.locator('[data-ceremony] [data-part="count"]')).to_have_text("1 of 2")
    assert bar.evaluate("bar => [bar.value, bar.max]") == [4, 8]
    expect(page.get_by_role("status")).to_be_empty()

    look(rehearsal, live(turn(state="finished", looked_at=9, of=0)))
    expect(page.get_by_role("status")).to_have_text("Now: finished")
    expect(page.locator('[data-part="state"]')).to_have_text("finished")
    assert bar.evaluate("bar => [bar.value, bar.max]") == [0, 1]
    page.locator("[data-live-says]").evaluate("line => { line.textContent = ''; }")
    look(rehearsal, live(turn(state="finished", looked_at=9, of=0)))
    expect(page.get_by_role("status")).to_be_empty()  # said once
    assert len(rehearsal.opened) == 1


@pytest.mark.parametrize(
    ("answer", "opened"),
    [
        (live(turn(), turn(id="r2")), 2),
        (live(turn(), turn(id="r2", state="finished")), 1),  # over before anybody saw it
        (live(turn(), ceremonies=()), 2),
        (live(turn(), ceremonies=("c2",)), 2),
        (live(turn(), ceremonies=("c1", "c2")), 2),
        (live(), 1),
    ],
    ids=["a new one", "an old one", "a ceremony over", "another ceremony", "two", "none any more"],
)
def test_the_page_is_loaded_anew_only_where_it_shows_something_else(
    rehearsal: Rehearsal, answer: Any, opened: int
) -> None:
    if opened > 1:
        with rehearsal.page.expect_navigation():
            look(rehearsal, answer)
    else:
        look(rehearsal, answer)
    assert len(rehearsal.opened) == opened


def test_whoever_is_signed_out_is_told_at_once_and_nothing_is_asked_any_more(rehearsal: Rehearsal) -> None:
    page = look(rehearsal, (401, {}))

    expect(page.get_by_role("status")).to_have_text("It stands still.")
    look(rehearsal, times=2)
    assert len(rehearsal.sent) == 1


def test_some_failures_are_borne_and_five_in_a_row_are_said(rehearsal: Rehearsal) -> None:
    broken: tuple[int, dict[str, str]] = (REFUSED, {})
    page = look(rehearsal, *[broken] * 4, live(turn()), *[broken] * 2, (OK, b"<html>"), broken)
    expect(page.get_by_role("status")).to_be_empty()

    look(rehearsal, broken)

    expect(page.get_by_role("status")).to_have_text("It stands still.")
    look(rehearsal, times=2)
    assert len(rehearsal.sent) == 10


def test_nothing_is_asked_while_nobody_sees_the_page(rehearsal: Rehearsal) -> None:
    page = rehearsal.page
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    look(rehearsal, times=3)
    assert rehearsal.sent == []

    page.evaluate("delete document.hidden")
    look(rehearsal, live(turn()))
    assert [path for path, _ in rehearsal.sent] == ["/live"]
