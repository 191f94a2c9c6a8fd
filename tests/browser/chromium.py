"""Debian's chromium, driven by Playwright: pages, virtual passkeys, axe, pictures."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect, sync_playwright

from tests.rig.vault import REPOSITORY

EXECUTABLE = Path("/usr/bin/chromium")
PICTURES = REPOSITORY / "build" / "screenshots"
WIDTHS = (360, 800, 1400)  # CSS pixels: a telephone, a tablet, a desk
_HEIGHT = 900
_PATIENCE_MS = 30_000  # of a machine that does much else
expect.set_options(timeout=_PATIENCE_MS)
SWITCHES = (
    "--no-sandbox",  # tests run as root; the pages are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# WCAG 2.2, levels A and AA, as axe-core calls them.
_RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
COLOURS = ("color-contrast", "link-in-text-block")
"""Those of axe's rules that may find something in one scheme and nothing in the other."""
_ALL_PICTURES = os.environ.get("VAULT_TEST_SHOTS") == "all"
Scheme = Literal["light", "dark"]


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """One browser; ends with the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=list(SWITCHES))
        yield browser
        browser.close()


def new_context(
    browser: Browser, *, width: int = 1400, scheme: Scheme = "light", **other: Any
) -> BrowserContext:
    """As somebody's own browser: no cookie of another context's."""
    context = browser.new_context(
        viewport={"width": width, "height": _HEIGHT}, color_scheme=scheme, reduced_motion="reduce", **other
    )
    context.set_default_timeout(_PATIENCE_MS)
    return context


@dataclass
class Authenticator:
    """A virtual authenticator of one page (CDP WebAuthn); its passkeys live as long as the page."""

    cdp: CDPSession
    authenticator_id: str

    @classmethod
    def of(cls, page: Page, *, prf: bool = True, **other: Any) -> "Authenticator":
        """Add one to the page. `other`: options of addVirtualAuthenticator that a test wants otherwise."""
        cdp = page.context.new_cdp_session(page)
        cdp.send("WebAuthn.enable")
        return cls._made(cdp, prf=prf, **other)

    def another(self, **other: Any) -> "Authenticator":
        """A further device of the same person: of another transport, since a page has one built in."""
        return self._made(self.cdp, prf=True, transport="usb", **other)

    @classmethod
    def _made(cls, cdp: CDPSession, *, prf: bool, **other: Any) -> "Authenticator":
        options: dict[str, Any] = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
            "hasPrf": prf,
        }
        made = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options | other})
        return cls(cdp, made["authenticatorId"])

    def credentials(self) -> list[dict[str, Any]]:
        """As CDP tells them: credentialId, privateKey (base64), signCount and so on."""
        found: list[dict[str, Any]] = self._call("getCredentials")["credentials"]
        return found

    def take_away(self) -> None:
        """With its passkeys."""
        self._call("removeVirtualAuthenticator")

    def verify_the_user(self, verified: bool) -> None:
        """Whether the next touch comes with a PIN or a finger that is right."""
        self._call("setUserVerified", isUserVerified=verified)

    def answer_by_itself(self, simulated: bool) -> None:
        """False: nobody touches it, and the browser waits."""
        self._call("setAutomaticPresenceSimulation", enabled=simulated)

    def _call(self, name: str, **arguments: Any) -> Any:
        return self.cdp.send(f"WebAuthn.{name}", {"authenticatorId": self.authenticator_id, **arguments})


def axe(page: Page, *, rules: tuple[str, ...] = _RULES) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA on the page as it is: rule, help, and where. Empty: nothing.

    `rules`: COLOURS, where the same page was looked at in the other scheme.
    """
    page.wait_for_load_state()  # what was clicked may have led here: styles come after the first bytes
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate(f"axe.run({json.dumps({'runOnly': rules, 'resultTypes': ['violations']})})")
    return [
        f"{each['id']}: {each['help']}: {node['html'][:200]} ({'; '.join(_reasons(node))[:300]})"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def _reasons(node: dict[str, Any]) -> list[str]:
    return [check["message"] for kind in ("any", "all", "none") for check in node[kind]]


def overflow(page: Page) -> int:
    """CSS pixels by which the page is wider than its window: 0 where nobody has to scroll sideways."""
    page.wait_for_load_state()
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def shot(page: Page, name: str) -> Path:
    """A picture of the whole page in build/screenshots/."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def shots(page: Page, name: str, *, each: bool = _ALL_PICTURES) -> Iterator[tuple[int, Scheme]]:
    """The page at each width, yielded while it looks so.

    A picture is taken of the widest; of `each` where that is wanted, or VAULT_TEST_SHOTS=all.
    """
    before = page.viewport_size
    schemes: tuple[Scheme, ...] = ("light", "dark", "light")
    for width, scheme in zip(WIDTHS, schemes, strict=True):
        page.set_viewport_size({"width": width, "height": _HEIGHT})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if each or width == WIDTHS[-1]:
            shot(page, f"{name}-{width}-{scheme}")
        yield width, scheme
    if before is not None:
        page.set_viewport_size(before)
