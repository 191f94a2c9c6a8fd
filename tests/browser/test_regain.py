"""Two officers at two browsers carry a regain through, to the user's log-in."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.officers import AtBrowser, enrolled
from tests.browser.served import Console
from tests.ceremony.office import NEW_PASSWORD


@pytest.fixture(scope="module")
def people(chromium: Browser, console: Console) -> Iterator[dict[str, AtBrowser]]:
    found = enrolled(chromium, console, {"ana": True, "bob": True})
    yield found
    for each in found.values():
        each.page.context.close()


def _approve(officer: AtBrowser, case: object, login: str, phrase: str) -> None:
    page = officer.go(f"/cases/{case}")
    page.get_by_label("Login, as the person proved it").fill(login)
    page.get_by_label("The six words that the person reads to you").fill(phrase)
    page.get_by_role("button", name="Approve exactly this case").click()
    page.get_by_text("You have approved this case").wait_for()


def test_two_officers_give_somebody_access_again(console: Console, people: dict[str, AtBrowser]) -> None:
    office = console.office
    person = office.somebody()
    case = office.begin(person)
    with office.in_this_process() as here:
        office.await_gathering(case)
        for officer in (people["ana"], people["bob"]):
            officer.sign_in()
            _approve(officer, case, person.login, office.phrases[case])
        result = here.running.result(60)
    assert result is not None
    assert office.state(case) == "executed"
    assert person.opens_with(NEW_PASSWORD)
