"""What a telephone's window leaves to be seen of what is wider than it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.officers import Officer
from tests.browser.served import Console
from vault_service.domain.case import Scope

_CUT_OFF = """
    [...document.querySelectorAll(".plot > .wide")].map((box) =>
        box.firstElementChild.getBoundingClientRect().right - box.getBoundingClientRect().right)"""
_HIDDEN_ASIDE = """
    [...document.querySelectorAll(".wide:has(table)")]
        .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1)
        .map((box) => box.ariaLabel)"""
_PUSHED_OUT = """
    [...document.querySelectorAll("tbody td:nth-child(2)")].map((cell) =>
        cell.getBoundingClientRect().right - cell.closest(".wide").getBoundingClientRect().right)"""


@pytest.fixture
def page(new_page: Callable[..., Page], officers: dict[str, Officer], console: Console) -> Page:
    """dora's, on a telephone."""
    made = new_page(width=360)
    console.sign_in(made.context, officers["dora"].officer_id, officers["dora"].authenticator_id)
    return made


def test_a_plot_shows_its_newest_values_first(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/activity")

    cut_off = page.evaluate(_CUT_OFF)

    assert len(cut_off) == 3
    assert max(cut_off) <= 1


def test_long_heads_of_a_table_wrap_rather_than_push_its_numbers_out(page: Page, console: Console) -> None:
    page.goto(f"{console.url}/health")

    assert max(page.evaluate(_PUSHED_OUT)) <= 1


@pytest.mark.parametrize("path", ["/officers", "/cases?show=all", "/rotations", "/health", "/audit?ask=1"])
def test_no_table_hides_a_part_of_it_aside(page: Page, console: Console, path: str) -> None:
    """Each row becomes a card; whoever hears the page still hears a table."""
    console.office.open("drill", scope=Scope(sample=1))
    page.goto(f"{console.url}{path}")

    assert page.evaluate(_HIDDEN_ASIDE) == []
    table = page.get_by_role("table").first
    assert table.get_by_role("columnheader").count() > 1
    assert table.get_by_role("rowheader").count() > 0


def test_a_card_leaves_out_what_an_entry_does_not_have_and_whoever_hears_it_keeps_the_columns(
    page: Page, console: Console
) -> None:
    case = console.office.open("drill", scope=Scope(sample=1))
    page.goto(f"{console.url}/audit?ask=1&case={case}")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader")).first
    user = row.locator('td[data-label="User"]')

    assert user.inner_text() in ("", "\u2013")
    assert user.evaluate("cell => cell.getBoundingClientRect().width") <= 1
    assert row.get_by_role("cell").count() == 5
