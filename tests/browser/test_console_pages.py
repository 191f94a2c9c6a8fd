"""Every page of the console in a real browser: axe in light and dark, every width, a picture of each."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page

from tests.browser.chromium import COLOURS, Authenticator, axe, new_context, overflow, shots
from tests.browser.officers import Officer
from tests.browser.served import Console
from vault_service.console.app import VIEWS
from vault_service.domain.case import CollectionScope, Scope
from vault_service.domain.clock import utc_now
from vault_service.recovery.invitations import invitation_link, invite, prepare_invitation
from vault_service.recovery.officers import propose, remove
from vault_service.recovery.propose import open_change

FILES = {
    "GET /live",
    "GET /cases/{case_id}/now",
    "GET /audit/{log}/{user_id}/{event_id}/proof.json",
    "GET /audit/audit.vkey",
}
"""What is fetched by a script, or kept as a file."""

PAGES = {
    "work": "GET /",
    "officers": "GET /officers",
    "rotations": "GET /rotations",
    "alerts": "GET /alerts",
    "activity": "GET /activity",
    "health": "GET /health",
    "cases": "GET /cases",
    "case-regain": "GET /cases/{case_id}",
    "case-disclosure": "GET /cases/{case_id}",
    "case-change": "GET /cases/{case_id}",
    "case-vetoed": "GET /cases/{case_id}",
    "new": "GET /cases/new",
    "new-disclosure": "GET /cases/new/disclosure",
    "new-erasure": "GET /cases/new/erasure",
    "new-drill": "GET /cases/new/drill",
    "new-key-ceremony": "GET /cases/new/key-ceremony",
    "new-escrow-rotation": "GET /cases/new/escrow-rotation",
    "new-change": "GET /cases/new/officer-change",
    "find-user": "GET /find-user",
    "invite": "GET /invite",
    "sign-in": "GET /sign-in",
    "enrol": "GET /enrol",
    "enrolled": "GET /enrolled/{enrolled_id}",
    "audit": "GET /audit",
    "audit-found": "GET /audit",
    "event": "GET /audit/{log}/{user_id}/{event_id}",
    "proof": "GET /audit/{log}/{user_id}/{event_id}/proof",
    "no-such-page": "",
}
"""A name for each picture, and the view that it shows."""

OPEN_TO_ALL = {"sign-in", "enrol", "enrolled", "no-such-page"}
_AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
Addresses = dict[str, str]


@pytest.fixture(scope="module")
def addresses(console: Console, chromium: Browser, officers: dict[str, Officer]) -> Addresses:
    """Where each of them is, once there is something to be seen on it."""
    office = console.office
    somebody = office.somebody()
    regain = office.begin(somebody)
    office.sign(regain, "ana")
    collections = (CollectionScope("contact", ("phone", "full_name")), CollectionScope("notes"))
    disclosure = office.open(
        "disclosure", user=somebody.user, recipient=_AGE_KEY, scope=Scope(collections=collections)
    )
    proposal = propose(office.acting("ana").manifest, [remove("cleo")], utc_now())
    change = open_change(office.recovery, office.acting("ana"), proposal, "cleo has left").case_id
    drill = office.open("drill", scope=Scope(sample=3))
    office.veto(drill, "bob")
    known = {
        "case-regain": f"/cases/{regain}",
        "case-disclosure": f"/cases/{disclosure}",
        "case-change": f"/cases/{change}",
        "case-vetoed": f"/cases/{drill}",
        "enrolled": _enrolled(console, chromium),
        "audit-found": f"/audit?case={regain}&ask=1",
        "no-such-page": "/nothing-here",
    }
    officer = officers["dora"].sign_in()
    officer.goto(f"{console.url}{known['audit-found']}")
    event = officer.locator("main a[href^='/audit/keys/']").first.get_attribute("href") or ""
    known |= {"event": event, "proof": f"{event}/proof"}
    return {name: known.get(name, view.removeprefix("GET ")) for name, view in PAGES.items()}


def _enrolled(console: Console, chromium: Browser) -> str:
    """Somebody enrols by an invitation; returns the address of what they see then."""
    acting = console.office.acting("ana")
    whom = prepare_invitation(console.parts, acting, "gil", None)
    made = invite(console.parts, acting, whom, good_for_s=600)
    page = new_context(chromium).new_page()
    Authenticator.of(page)
    page.goto(invitation_link(console.url, made.token))
    page.get_by_role("button", name="Make my passkey").click()
    page.wait_for_url("**/enrolled/*")
    address = page.url.removeprefix(console.url)
    page.context.close()
    return address


def test_none_is_forgotten() -> None:
    assert {view.name for view in VIEWS if view.method == "GET"} - FILES == set(PAGES.values()) - {""}


@pytest.fixture(scope="module")
def window(console: Console, chromium: Browser, officers: dict[str, Officer]) -> Iterator[Page]:
    """Signed in as dora: one for all pages."""
    page = new_context(chromium).new_page()
    console.sign_in(page.context, officers["dora"].officer_id, officers["dora"].authenticator_id)
    yield page
    page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_it_is_accessible_and_fits_every_window(
    name: str,
    console: Console,
    addresses: Addresses,
    window: Page,
    new_page: Callable[..., Page],
) -> None:
    page = new_page() if name in OPEN_TO_ALL else window
    wrong: list[str] = []

    def hear(said: ConsoleMessage) -> None:
        if said.type == "error":
            wrong.append(said.text)

    def note(error: Error) -> None:
        wrong.append(str(error))

    page.on("console", hear)
    page.on("pageerror", note)

    answer = page.goto(f"{console.url}{addresses[name]}")

    assert answer is not None
    assert page.url == f"{console.url}{addresses[name]}"
    assert answer.ok or name in {"no-such-page", "proof"}  # nothing is sealed here
    assert page.locator("h1").count() == 1
    page.set_viewport_size({"width": 320, "height": 256})  # 400 % of a small window (WCAG 2.2, 1.4.10)
    assert overflow(page) == 0
    for width, scheme in shots(page, name):
        assert overflow(page) == 0, (width, scheme)
        if scheme == "dark":
            assert axe(page, rules=COLOURS) == []
        elif width == 360:
            assert axe(page) == []
    page.remove_listener("console", hear)
    page.remove_listener("pageerror", note)
    assert not [each for each in wrong if "status of 4" not in each]


def test_on_paper_a_case_has_the_whole_text_that_is_signed_and_nothing_to_press(
    console: Console, addresses: Addresses, window: Page
) -> None:
    window.goto(f"{console.url}{addresses['case-regain']}")
    window.set_viewport_size({"width": 360, "height": 900})  # where the text is longest
    window.emulate_media(media="print")

    cut_off = window.locator("pre.canonical").evaluate("(box) => box.scrollHeight - box.clientHeight")
    to_press = window.locator("button:visible, input:visible, summary:visible, nav:visible")

    assert cut_off <= 1
    assert [each for each in to_press.all_inner_texts() if "Cases" not in each] == []
    window.emulate_media(media="screen")
