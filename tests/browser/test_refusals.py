"""What an officer's browser shows when something is refused: words that a person understands, in the form."""

from collections.abc import Callable
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Authenticator, axe
from tests.browser.officers import Officer
from tests.browser.served import Console


def _page_of(officer: Officer, case: UUID) -> Page:
    page = officer.page
    page.goto(f"{officer.console.url}/cases/{case}")
    return page


def _told(page: Page, button: str) -> str:
    """What the alert says once the button was pressed; the focus is in it."""
    page.get_by_role("button", name=button).click()
    alert = page.locator('form [role="alert"]:not(:empty)')
    expect(alert).to_be_focused()
    assert axe(page) == []
    return " ".join(alert.inner_text().split())


APPROVE = "Approve exactly this case"


def test_who_opened_a_case_reads_why_they_cannot_decide_it(dora: Officer) -> None:
    page = dora.page
    page.goto(f"{dora.console.url}/cases/new/key-ceremony")
    page.get_by_label("Reason").fill("the plan says so")
    page.get_by_role("button", name="Open the case").click()

    page.get_by_text("You cannot approve this case").wait_for()
    expect(page.locator("main")).to_contain_text("dora opened this case. Ask another officer to decide.")
    page.wait_for_load_state()
    assert page.get_by_role("button", name=APPROVE).count() == 0
    assert axe(page) == []


def _expired(console: Console, case: UUID) -> None:
    with console.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = 'expired' WHERE case_id = %s", (case,))


def _edited(console: Console, case: UUID) -> None:
    with console.vault.keys.superuser() as conn:
        conn.execute("ALTER TABLE cases DISABLE TRIGGER USER")
        conn.execute(
            """UPDATE cases SET body = convert_to(replace(convert_from(body, 'UTF8'), 'a reason', 'A reason'),
               'UTF8') WHERE case_id = %s""",
            (case,),
        )
        conn.execute("ALTER TABLE cases ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    ("meanwhile", "says"),
    [
        (_expired, "The case is expired If it is wanted still, a new case has to be opened"),
        (_edited, "Look at it again"),
    ],
)
def test_a_case_that_is_another_one_by_now_is_not_signed(
    dora: Officer, meanwhile: Callable[[Console, UUID], None], says: str
) -> None:
    case = dora.console.office.open("key-ceremony")
    page = _page_of(dora, case)

    meanwhile(dora.console, case)

    assert says in _told(page, APPROVE)


def test_a_person_who_is_not_who_they_say_is_told_of(dora: Officer) -> None:
    office = dora.console.office
    person = office.somebody()
    page = _page_of(dora, office.begin(person))
    page.get_by_label("Login, as the person proved it").fill(person.login)
    page.get_by_label("The six words that the person reads to you").fill("one two three four five six")

    assert "Ask the person again" in _told(page, APPROVE)


def test_an_answer_that_was_sent_before_is_refused(dora: Officer) -> None:
    """Somebody who can repeat what the browser sent gets nowhere with it."""
    case = dora.console.office.open("key-ceremony")
    page = _page_of(dora, case)
    with page.expect_request("**/intents/*") as sent:
        page.get_by_role("button", name=APPROVE).click()
    page.get_by_text("You have approved this case").wait_for()
    body, headers = sent.value.post_data, sent.value.all_headers()

    again = page.request.post(
        sent.value.url,
        data=body or "",
        headers={name: headers[name] for name in ("content-type", "x-csrf-token", "origin", "accept")},
    )

    assert again.status == 409
    assert "it was done already" in again.json()["remedy"]


def test_a_session_without_its_passkey_decides_nothing(dora: Officer, new_page: Callable[..., Page]) -> None:
    """Whoever finds an officer's browser signed in, or has stolen the cookie, can look and no more."""
    case = dora.console.office.open("key-ceremony")
    page = new_page()
    Authenticator.of(page)
    dora.console.sign_in(page.context, dora.officer_id, dora.authenticator_id)
    page.goto(f"{dora.console.url}/cases/{case}")

    assert _told(page, APPROVE)
    assert dora.console.office.state(case) == "open"


def test_a_refusal_about_a_field_is_tied_to_it_until_it_is_sent_again(dora: Officer) -> None:
    page = _page_of(dora, dora.console.office.open("key-ceremony"))
    page.get_by_text("Reject this case").click()
    page.get_by_label("Why").fill("  ")
    page.get_by_label("I want to end this case").check()

    assert _told(page, "Reject it").startswith("Say why: the other officers see it")

    alert = page.locator('form [role="alert"]:not(:empty)')
    why = page.get_by_label("Why")
    assert why.get_attribute("aria-invalid") == "true"
    assert (alert.get_attribute("id") or "none") in (why.get_attribute("aria-describedby") or "").split()
    why.fill("a mistake")
    page.get_by_role("button", name="Reject it").click()
    page.get_by_text("Rejected", exact=True).first.wait_for()


def test_a_case_is_rejected_by_keyboard_alone(dora: Officer) -> None:
    case = dora.console.office.open("key-ceremony")
    page = _page_of(dora, case)

    page.get_by_text("Reject this case").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Why").focus()
    page.keyboard.type("nobody knows this plan")
    page.get_by_label("I want to end this case").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    page.get_by_text("an officer rejected it").wait_for()
    assert dora.console.office.state(case) == "vetoed"
