"""Officers in chromium with passkeys that the browser makes itself (CDP's virtual authenticators)."""

import contextlib
from collections.abc import Iterator, Sequence

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import EXECUTABLE, SWITCHES, Authenticator

_PATIENCE_MS = 30_000  # of a machine that does much else


@contextlib.contextmanager
def headed_browser() -> Iterator[Browser]:
    """One that can be seen; ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(SWITCHES), headless=False)
        with contextlib.closing(browser):
            yield browser


def window(browser: Browser, at: int, of: int) -> Page:
    """One of several that stand side by side on the screen; its page follows the window's size."""
    page = browser.new_context(no_viewport=True).new_page()
    left, top, width, height = page.evaluate(
        "[screen.availLeft, screen.availTop, screen.availWidth, screen.availHeight]"
    )
    cdp = page.context.new_cdp_session(page)
    wide = width // of
    cdp.send(
        "Browser.setWindowBounds",
        {
            "windowId": cdp.send("Browser.getWindowForTarget")["windowId"],
            "bounds": {"left": left + at * wide, "top": top, "width": wide, "height": height},
        },
    )
    return page


def enrol(page: Page, link: str) -> Page:
    """Whoever sits before the page opens an invitation and makes a passkey.

    One that an officer had went with its window: it is given up.
    """
    Authenticator.of(page)
    page.goto(link)
    # Not by a function that the page evaluates again and again: its policy forbids that.
    expect(page.locator("[data-name]")).not_to_have_text("…", timeout=_PATIENCE_MS)
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
