"""The story of a forgotten password as people see it, in chromium: numbered pictures (`make screenshots`).

A scratch vault is started as `make run` starts one. A user makes a vault on the user's page and forgets the
password; two officers who enrol passkeys decide in the console; the user signs in and reads the old entries.
Pictures go to build/screenshots/, and with --images those of the README to docs/images/ as well. Ends with 1
if a page differs.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from console_officers import DemoOffice
from officer_windows import enrol, sign_in
from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError
from stage import DiffersError, Stage, Teller, differs, scratch, until

from tests.browser.chromium import PICTURES, new_context, running_chromium

LOGIN = "ana@example.org"
FORGOTTEN = "violet anchor teapot meadow"
NEW = "copper lantern under the bridge"
IMAGES = Path(__file__).parent.parent / "docs" / "images"
IN_THE_README = ("six-words", "case-to-decide", "work-list")
_DESK = 1200  # CSS pixels
_WINDOW = 900


class Story:
    """Who takes part, and the pictures that were taken."""

    def __init__(self, stage: Stage, teller: Teller, browser: Browser) -> None:
        self.stage = stage
        self.teller = teller
        self.browser = browser
        self.console: str = stage.ready["console_url"]
        self.me: str = stage.ready["user_page_url"]
        self._taken = 0

    def picture(self, page: Page, name: str, *, at: str = "") -> None:
        """The next one: of the whole page; of a README's picture what a window shows, from `at` on."""
        self._taken += 1
        page.mouse.move(0, 0)
        path = PICTURES / f"{self._taken:02}-{name}.png"
        page.screenshot(path=path, full_page=True)
        self.teller.say(str(path.relative_to(PICTURES.parent.parent)))
        if "--images" in sys.argv and name in IN_THE_README:
            IMAGES.mkdir(exist_ok=True)
            if at:
                page.locator(at).evaluate("(it) => it.scrollIntoView()")
            page.screenshot(path=IMAGES / f"{name}.png")


def play(story: Story) -> None:
    """Each chapter; raises DiffersError or Playwright's error where the story goes another way."""
    user = new_context(story.browser, width=800).new_page()
    make_a_vault(story, user)
    officers = become_officers(story)
    phrase = forget(story, user)
    case = decide(story, officers, phrase)
    sign_in_again(story, user)
    look_around(story, officers[0], case)


def make_a_vault(story: Story, user: Page) -> None:
    """The user's page: sign up, sign in, put something in."""
    story.teller.chapter("A user makes a vault")
    user.goto(f"{story.me}/sign-up")
    story.picture(user, "sign-up")
    user.get_by_label("Login").fill(LOGIN)
    for field in user.locator("input[type=password]").all():
        field.fill(FORGOTTEN)
    user.get_by_label("I have read who could ever read my data").check()
    user.get_by_role("button", name="Make my vault").click()
    user.wait_for_url(f"{story.me}/sign-in**")
    sign_in_user(story, user, FORGOTTEN)
    user.goto(f"{story.me}/entries/new?collection=contact")
    user.locator("input[type=text], input:not([type])").first.fill("Ana Silva")
    user.get_by_role("button", name="Keep it").click()
    user.goto(f"{story.me}/")
    story.picture(user, "entries")
    user.get_by_role("button", name="Sign out").first.click()


def sign_in_user(story: Story, user: Page, password: str) -> None:
    """By login and password."""
    user.goto(f"{story.me}/sign-in")
    user.get_by_label("Login").fill(LOGIN)
    user.locator("input[type=password]").fill(password)
    user.get_by_role("button", name="Sign in").click()
    user.wait_for_load_state()


def become_officers(story: Story) -> tuple[Page, Page]:
    """Dora and emil enrol; those who are officers have them named."""
    story.teller.chapter("Two people are invited, and enrol passkeys")

    def vaultctl(*arguments: str) -> str:
        return story.stage.vaultctl(*arguments, shown=False)

    office = DemoOffice(vaultctl, story.stage.officers)
    invited = [office.invite(name) for name in ("dora", "emil")]
    pages = [enrol(new_context(story.browser, width=_DESK).new_page(), each.link) for each in invited]
    story.picture(pages[0], "enrolled")
    cards = office.cards()
    office.name_them([cards[each.officer_id] for each in invited])
    pages[0].goto(f"{story.console}/sign-in")
    story.picture(pages[0], "officer-sign-in")
    for page in pages:
        sign_in(page, story.console)
    return pages[0], pages[1]


def forget(story: Story, user: Page) -> str:
    """The user asks for access again; returns the six words."""
    story.teller.chapter("Months later the password is forgotten")
    user.goto(f"{story.me}/recover")
    story.picture(user, "ask-for-access")
    user.get_by_label("Login").fill(LOGIN)
    for field in user.locator("input[type=password]").all():
        field.fill(NEW)
    user.get_by_role("button", name="Ask for access again").click()
    user.get_by_role("heading", name="Write down these six words").wait_for()
    story.picture(user, "six-words")
    words = user.locator(".words li").all_inner_texts()
    if len(words) != 6:
        differs(f"the page shows {len(words)} words")
    return " ".join(words)


def decide(story: Story, officers: tuple[Page, Page], phrase: str) -> str:
    """Both approve in their browsers; returns the case's address."""
    story.teller.chapter("Two officers reach the user, each in their own way, and approve")
    dora, emil = officers
    dora.goto(story.console)
    dora.locator("a[href^='/cases/']").first.wait_for()
    story.picture(dora, "work-list")
    address = str(dora.locator("main a[href^='/cases/']").first.get_attribute("href"))
    until("the waiting period is over", lambda: waits_for_shares(story, address) or None)
    for number, page in enumerate((dora, emil)):
        page.goto(f"{story.console}{address}")
        page.get_by_label("Login, as the person proved it").fill(LOGIN)
        page.get_by_label("The six words that the person reads to you").fill(phrase)
        if number == 0:
            story.picture(page, "case-to-decide", at="section[aria-labelledby=decide]")
        page.get_by_role("button", name="Approve exactly this case").click()
        page.get_by_text("You have approved this case").wait_for()
        story.picture(page, ("approved-by-one", "approved-by-two")[number])
    until("the ceremony has run", lambda: executed(dora, f"{story.console}{address}") or None)
    story.picture(dora, "carried-out")
    return address


def waits_for_shares(story: Story, address: str) -> bool:
    """Whether a ceremony gathers shares for the case."""
    case = address.rpartition("/")[2]
    return bool(
        json.loads(story.stage.vaultctl("recovery", "show", case, "--json", shown=False))["ceremonies"]
    )


def executed(page: Page, address: str) -> bool:
    """Whether its page says so."""
    page.goto(address)
    return page.get_by_text("Carried out", exact=True).count() > 0


def sign_in_again(story: Story, user: Page) -> None:
    """The new password opens the old entries."""
    story.teller.chapter("The user signs in with the new password")
    sign_in_user(story, user, NEW)
    user.goto(f"{story.me}/")
    user.get_by_text("Ana Silva").first.wait_for()
    story.picture(user, "entries-again")
    user.goto(f"{story.me}/accesses")
    story.picture(user, "who-looked-at-my-data")
    user.goto(f"{story.me}/account")
    story.picture(user, "account")


def look_around(story: Story, officer: Page, case: str) -> None:
    """The console's other pages."""
    story.teller.chapter("What else officers see")
    pages = {
        "officers": "/officers",
        "rotations": "/rotations",
        "activity": "/activity",
        "alerts": "/alerts",
        "health": "/health",
        "cases": "/cases",
        "open-a-case": "/cases/new",
    }
    for name, path in pages.items():
        answer = officer.goto(f"{story.console}{path}")
        if answer is None or not answer.ok:
            differs(f"{path} is answered with {answer and answer.status}")
        story.picture(officer, name)
    officer.goto(f"{story.console}{case}")
    officer.get_by_role("link", name="Everything that the audit log has about this case").click()
    officer.get_by_role("link", name="An officer approved a recovery case").first.wait_for()
    story.picture(officer, "audit-of-the-case")
    if officer.goto(f"{story.console}/alerts") and officer.locator(".notice.bad, .notice.warn").count():
        differs("the story leaves an alert, and nobody did anything wrong")


def on_a_stage(perform: Callable[[Story], None], teller: Teller) -> None:
    """With a scratch vault, and chromium."""
    with scratch() as home:
        stage = Stage(home, teller)
        try:
            teller.chapter("A vault, as make run starts it")
            stage.start()
            with running_chromium() as browser:
                perform(Story(stage, teller, browser))
        finally:
            stage.stop()


def main() -> int:
    """0: as it should be."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("[0-9][0-9]-*.png"):
        old.unlink()
    teller, began = Teller(), time.monotonic()
    try:
        on_a_stage(play, teller)
    except (DiffersError, PlaywrightError, TimeoutError, subprocess.TimeoutExpired) as error:
        print(f"\nThe story differs: {error}", file=sys.stderr)
        return 1
    print(f"\nAs it should be ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
