"""Officers in chromium with passkeys that the browser makes itself (CDP's virtual authenticators)."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import EXECUTABLE, SWITCHES, Authenticator, new_context


@contextlib.contextmanager
def headed_browser() -> Iterator[Browser]:
    """One that can be seen; ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(SWITCHES), headless=False)
        with contextlib.closing(browser):
            yield browser


def enrol(browser: Browser, link: str, **context: Any) -> Page:
    """Somebody with a browser context of their own opens an invitation and makes a passkey.

    One that an officer had went with its window: it is given up.
    """
    page = new_context(browser, **context).new_page()
    Authenticator.of(page)
    page.goto(link)
    page.wait_for_function("document.querySelector('[data-name]').textContent !== '…'")
    given_up = page.get_by_label("I give it up")
    if given_up.is_visible():
        given_up.check()
    page.get_by_role("button", name="Make my passkey").click()
    page.get_by_role("heading", name="Your passkey is enrolled").wait_for()
    return page


def sign_in(page: Page, console_url: str) -> None:
    """By the passkey that was made in this page."""
    page.goto(f"{console_url}/sign-in")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{console_url}/")


def until_closed(pages: Sequence[Page]) -> None:
    """Wait for whoever sits before the windows."""
    for page in pages:
        if not page.is_closed():
            page.wait_for_event("close", timeout=0)
