"""The user's page in a real browser: scripts, keyboard, every width, and axe on each page."""

import itertools
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import WIDTHS, axe, overflow, shot
from tests.browser.served import Console
from tests.browser.served_user_page import ServedUserPage, served_user_page
from tests.rig.vault import PASSWORD
from vault_service.api.user_page.site import VIEWS


@pytest.fixture(scope="module")
def user_page(console: Console) -> Iterator[ServedUserPage]:
    with served_user_page(console.vault) as served:
        yield served


# One width and scheme for each page here, so that each is looked at and none twice.
_LOOKS = itertools.cycle(itertools.product(WIDTHS, ("light", "dark")))


_NO_PAGES = {"/me", "/me/receipts", "/me/export", "/me/{anything}"}  # files, and what leads elsewhere


def look(page: Page, name: str) -> str:
    """axe finds nothing, and nobody has to scroll sideways; with a picture for whoever wants to see it.

    Returns the page's own path.
    """
    page.set_viewport_size({"width": 320, "height": 256})  # 400 % of a small window (WCAG 2.2, 1.4.10)
    assert overflow(page) == 0, name
    width, scheme = next(_LOOKS)
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # product loses it
    assert axe(page) == [], (name, width, scheme)
    assert overflow(page) == 0, (name, width, scheme)
    shot(page, f"me-{name}")
    return urlsplit(page.url).path


def test_every_page_is_accessible_and_fits_every_window(user_page: ServedUserPage, page: Page) -> None:
    refused: list[str] = []  # by the pages' own policy: a style or a script that has no place there
    page.on("console", lambda said: refused.append(said.text) if said.type == "error" else None)
    seen: list[str] = []
    for path in ("sign-in", "sign-up", "recover", "recoveries", "recover-by-code"):
        page.goto(f"{user_page.url}/me/{path}")
        seen.append(look(page, path))
    page.goto(f"{user_page.url}/me/recover")
    page.get_by_label("Login").fill("nobody@example.org")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    page.get_by_role("button", name="Ask for access again").click()
    seen.append(look(page, "recovery-asked"))
    page.get_by_role("link", name="See how it stands").click()
    seen.append(look(page, "recovery"))
    user_page.enter(page)
    page.goto(f"{user_page.url}/me/entries/new?collection=contact")
    page.get_by_label("Full name").fill("Ana Silva")
    page.get_by_label("Telephone").fill("+351 912 345 678")
    seen.append(look(page, "new-contact"))
    page.get_by_role("button", name="Keep it").click()
    page.goto(f"{user_page.url}/me/entries/new")
    page.get_by_label("What kind").fill("bank account")
    page.get_by_label("Name").first.fill("iban")
    page.get_by_label("Value").first.fill("PT50 0002 0123 1234 5678 9015 4")
    seen.append(look(page, "new-entry"))
    page.get_by_role("button", name="Keep it").click()
    seen.append(look(page, "entries"))
    page.get_by_role("link", name="Open").first.click()
    seen.append(look(page, "entry"))
    page.get_by_role("link", name="Delete this entry").click()
    seen.append(look(page, "delete"))
    for path in ("accesses", "take-along", "account", "password", "login", "key", "erase", "recovery-code"):
        page.goto(f"{user_page.url}/me/{path}")
        seen.append(look(page, path))
    assert refused == []
    pages = {each.path for each in VIEWS if each.method == "GET"} - _NO_PAGES
    patterns = {path: re.compile(re.sub(r"{\w+}", "[0-9a-f-]{36}", path)) for path in pages}
    assert {path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, seen))} == set()


def test_a_password_is_judged_while_it_is_typed(user_page: ServedUserPage, page: Page) -> None:
    page.goto(f"{user_page.url}/me/sign-up")
    page.get_by_label("Login").fill("maria@example.org")
    field, advice = page.get_by_label("Password"), page.locator("#new_password-advice")

    field.press_sequentially("aaaaaaaaaaaaaaaaaaaa")
    expect(advice).to_contain_text("it repeats itself")
    field.fill(PASSWORD)
    expect(advice).to_have_text("This password would do.")
    field.fill("")
    expect(advice).to_be_empty()


def test_everything_goes_without_scripts_and_by_keyboard_alone(
    user_page: ServedUserPage, new_page: Callable[..., Page]
) -> None:
    page = new_page(java_script_enabled=False)
    user_page.enter(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.goto(f"{user_page.url}/me/entries/new?collection=contact")
    page.get_by_label("Full name").focus()
    page.keyboard.type("Ana Silva")
    page.keyboard.press("Enter")

    page.wait_for_url("**/me/?said=kept")
    expect(page.get_by_text("Ana Silva")).to_be_visible()
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/me/sign-in?said=signed-out")


def test_a_double_click_sends_a_form_once(user_page: ServedUserPage, page: Page) -> None:
    """Else it would have signed in twice, or kept an entry twice."""
    user_page.enter(page)
    page.goto(f"{user_page.url}/me/entries/new?collection=contact")
    page.get_by_label("Full name").fill("Ana Silva")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)

    page.get_by_role("button", name="Keep it").dblclick()

    page.wait_for_url("**/me/?said=kept")
    assert len(sent) == 1
