"""The user's page in a real browser: scripts, keyboard, every width, and axe on each page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.chromium import axe, overflow, shots
from tests.browser.served import Console
from tests.browser.served_user_page import ServedUserPage, served_user_page


@pytest.fixture(scope="module")
def user_page(console: Console) -> Iterator[ServedUserPage]:
    with served_user_page(console.vault) as served:
        yield served


@pytest.fixture
def ana(user_page: ServedUserPage, page: Page) -> Page:
    user_page.enter(page)
    return page


def test_every_page_is_accessible_and_fits_every_window(user_page: ServedUserPage, page: Page) -> None:
    def look(name: str) -> None:
        assert axe(page) == [], name
        for width, scheme in shots(page, f"me-{name}"):
            assert overflow(page) == 0, (name, width, scheme)

    for path in ("sign-in", "sign-up", "recover", "recoveries", "recover-by-code"):
        page.goto(f"{user_page.url}/me/{path}")
        look(path)
    user_page.enter(page)
    page.goto(f"{user_page.url}/me/entries/new?collection=contact")
    look("new-contact")
    page.get_by_label("Full name").fill("Ana Silva")
    page.get_by_label("Telephone").fill("+351 912 345 678")
    page.get_by_role("button", name="Keep it").click()
    page.goto(f"{user_page.url}/me/entries/new")
    page.get_by_label("What kind").fill("bank account")
    page.get_by_label("Name").first.fill("iban")
    page.get_by_label("Value").first.fill("PT50 0002 0123 1234 5678 9015 4")
    look("new-entry")
    page.get_by_role("button", name="Keep it").click()
    look("entries")
    page.get_by_role("link", name="Open").first.click()
    look("entry")
    page.get_by_role("link", name="Delete this entry").click()
    look("delete")
    for path in ("accesses", "take-along", "account", "password", "login", "key", "erase", "recovery-code"):
        page.goto(f"{user_page.url}/me/{path}")
        look(path)
