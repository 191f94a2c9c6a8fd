"""A whole approval by keyboard alone: the focus is always to be seen, and lands on what came of it."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import WIDTHS
from tests.browser.officers import Officer

_MOST_STOPS = 40
_SEEN = """
() => {
    const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
    const x = (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2;
    const y = (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2;
    const top = document.elementFromPoint(x, y);
    return {
        lost: at === document.body,
        within: box.width > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth,
        marked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        covered: !(top && (at.contains(top) || top.contains(at))),
        what: at.outerHTML.slice(0, 120),
    };
}"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Stop by stop; at each the focus can be seen (WCAG 2.2, 2.4.7 and 2.4.11)."""
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        seen = page.evaluate(_SEEN)
        assert seen | {"lost": False, "within": True, "marked": True, "covered": False} == seen, seen
        if wanted.evaluate("wanted => wanted === document.activeElement"):
            return
    pytest.fail(f"{wanted} is not reached")


def test_an_officer_signs_in_finds_the_case_and_approves_it_by_keyboard_alone(emil: Officer) -> None:
    """At the width of a telephone, where most is in the way of what has the focus."""
    office, page = emil.console.office, emil.sign_out()
    person = office.somebody()
    case = office.begin(person)
    page.set_viewport_size({"width": WIDTHS[0], "height": 740})
    page.goto(f"{emil.console.url}/")

    tab_to(page, page.get_by_role("button", name="Sign in with your passkey"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{emil.console.url}/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the navigation
    tab_to(page, page.locator(f'main a[href^="/cases/{case}"]').first)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cases/{case}")
    tab_to(page, page.get_by_role("link", name="Your part in it"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Login, as the person proved it"))
    page.keyboard.type(person.login)
    tab_to(page, page.get_by_label("The six words that the person reads to you"))
    page.keyboard.type("six words of somebody else entirely")
    tab_to(page, page.get_by_role("button", name="Approve exactly this case"))
    page.keyboard.press("Enter")
    alert = page.locator('form [role="alert"]:not(:empty)')
    expect(alert).to_be_focused()  # and from there on to what it is about
    tab_to(page, page.get_by_label("The six words that the person reads to you"))
    page.keyboard.press("Control+A")
    page.keyboard.type(office.phrases[case])
    page.keyboard.press("Enter")

    outcome = page.locator("[data-outcome]")
    expect(outcome).to_be_focused()
    expect(outcome).to_contain_text("You have approved this case")
    assert page.evaluate(_SEEN)["within"]
    page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
