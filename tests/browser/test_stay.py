"""That a session ends soon is seen wherever one is on a page, and a click keeps it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import axe, overflow, shots
from tests.browser.officers import Officer
from tests.browser.served import Console


@pytest.fixture
def short(console: Console) -> Iterator[float]:
    """Seconds without a click: less than what is told beforehand."""
    sessions = console.services.sessions
    before, sessions.idle_s = sessions.idle_s, 100
    yield sessions.idle_s
    sessions.idle_s = before


def in_sight(page: Page) -> bool:
    box, height = page.get_by_role("alert").bounding_box(), page.viewport_size
    return box is not None and height is not None and 0 <= box["y"] <= height["height"] - box["height"]


@pytest.mark.usefixtures("short")
def test_it_is_told_over_a_long_page_and_hides_nothing_that_has_the_focus(
    console: Console, officers: dict[str, Officer], page: Page
) -> None:
    dora = officers["dora"]
    console.sign_in(page.context, dora.officer_id, dora.authenticator_id)
    page.clock.install()
    page.goto(f"{console.url}/cases/new/disclosure")
    page.clock.run_for(6_000)

    expect(page.get_by_role("alert")).to_contain_text("less than two minutes")
    for width, scheme in shots(page, "stay"):
        assert in_sight(page), width
        assert overflow(page) == 0
        if scheme == "dark" or width == 360:
            assert axe(page) == []
    field, bar = page.get_by_label("Reason"), page.get_by_role("alert")
    field.focus()
    at, above = field.bounding_box(), bar.bounding_box()
    assert at is not None
    assert above is not None
    assert at["y"] + at["height"] <= above["y"]
    console.services.sessions.idle_s = 600
    page.get_by_role("button", name="Stay signed in").click()
    expect(page.get_by_role("alert")).to_have_count(0)
