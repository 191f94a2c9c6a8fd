"""Two officers, each at a browser of their own, give somebody access again: to the user's own log-in."""

from uuid import UUID

from playwright.sync_api import FilePayload, Page

from tests.browser.chromium import axe
from tests.browser.officers import Officer
from tests.browser.served import Console
from tests.ceremony.office import NEW_PASSWORD
from tests.rig.people import Person
from tests.rig.vault import PASSPHRASE

_ENOUGH_S = 60.0  # of a machine that does much else


def _sign_in(officer: Officer) -> Page:
    page = officer.sign_out()
    page.goto(f"{officer.console.url}/sign-in")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{officer.console.url}/")
    return page


def _type(page: Page, login: str, phrase: str) -> None:
    page.get_by_label("Login, as the person proved it").fill(login)
    page.get_by_label("The six words that the person reads to you").fill(phrase)
    page.get_by_role("button", name="Approve exactly this case").click()


def _approve(officer: Officer, case: UUID, login: str, phrase: str) -> None:
    page = _sign_in(officer)
    page.goto(f"{officer.console.url}/cases/{case}")
    _type(page, login, phrase)
    page.get_by_text("You have approved this case").wait_for()


def _open_the_file(officer: Officer) -> None:
    officer.page.get_by_label("Its passphrase").fill(PASSPHRASE)
    file = FilePayload(name="fay.json", mimeType="application/json", buffer=officer.key_file)
    officer.page.get_by_label("Key file", exact=True).set_input_files(file)
    officer.page.get_by_role("button", name="Open it").click()


def _asked(console: Console) -> tuple[Person, UUID, str]:
    person = console.office.somebody()
    case = console.office.begin(person)
    return person, case, console.office.phrases[case]


def test_two_officers_at_two_browsers_give_somebody_access_again(
    console: Console, dora: Officer, emil: Officer
) -> None:
    """With their passkeys alone: each signs, and the same touch opens the share for the ceremony."""
    person, case, phrase = _asked(console)
    with console.office.in_this_process() as here:
        console.office.await_gathering(case)
        _approve(dora, case, person.login, phrase)
        assert axe(dora.page) == []
        _approve(emil, case, f"  {person.login.upper()} ", phrase.upper())
        result = here.running.result(_ENOUGH_S)

    assert result is not None
    assert person.opens_with(NEW_PASSWORD)
    # Her page is open still; nobody has to load it anew.
    dora.page.get_by_text("Carried out", exact=True).wait_for()


def test_a_share_that_stands_in_a_file_is_released_later_and_beside_a_key_file(
    console: Console, fay: Officer
) -> None:
    """Fay's passkey derives nothing; she approves before there is a ceremony, and comes back for it."""
    person, case, phrase = _asked(console)
    page = fay.page
    page.goto(f"{console.url}/cases/{case}")
    _type(page, person.login, phrase)
    page.get_by_text("Your share is still with you").wait_for()
    console.office.sign(case, "ana")
    with console.office.in_this_process() as here:
        console.office.await_gathering(case)
        console.office.release("ana")
        page.reload()
        page.get_by_role("button", name="Release my share").click()
        _open_the_file(fay)
        assert here.running.result(_ENOUGH_S) is not None

    assert person.opens_with(NEW_PASSWORD)


def test_the_file_is_asked_for_before_the_passkey_so_that_no_touch_is_repeated(
    console: Console, fay: Officer
) -> None:
    person, case, phrase = _asked(console)
    touches: list[str] = []
    with console.office.in_this_process() as here:
        console.office.await_gathering(case)
        page = fay.page
        page.goto(f"{console.url}/cases/{case}")
        page.on("request", lambda sent: touches.append(sent.url) if "/intents/" in sent.url else None)
        _type(page, person.login, phrase)
        _open_the_file(fay)
        page.get_by_text("You have approved this case").wait_for()
        assert len(touches) == 2
        console.office.sign(case, "ana")
        console.office.release("ana")
        assert here.running.result(_ENOUGH_S) is not None
