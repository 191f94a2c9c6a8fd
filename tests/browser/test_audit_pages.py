"""The audit explorer as officers see it: at every width, in both schemes, with nothing that axe finds."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.audit.whole import until_sealed
from tests.browser.chromium import axe, overflow, shots
from tests.browser.officers import Officer
from tests.browser.served import Console
from vault_service.storage.roles import LAYOUTS


@pytest.fixture(scope="module")
def sealed(console: Console) -> Iterator[None]:
    """Both logs have heads that count."""
    workers = [console.vault.start_forked_worker(side) for side in LAYOUTS]
    until_sealed(console.vault, "records")
    until_sealed(console.vault, "keys")
    yield
    for worker in workers:
        worker.stop()


def _first(page: Page) -> None:
    page.goto(page.url + "?ask=1&side=keys&kind=keys.case_approved")
    page.locator("tbody th a").first.click()


def _proof(page: Page) -> None:
    _first(page)
    page.get_by_role("link", name="Prove that it stands in the log").click()


PAGES: dict[str, Callable[[Page], object]] = {
    "audit": lambda page: page.goto(page.url + "?ask=1"),
    "audit-wrong": lambda page: page.goto(page.url + "?ask=1&user=ana&since=yesterday"),
    "audit-entry": _first,
    "audit-proof": _proof,
}


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_one_that_everybody_can_read(dora: Officer, name: str) -> None:
    page = dora.sign_in()
    page.goto(f"{dora.console.url}/audit")
    PAGES[name](page)

    for width, scheme in shots(page, name):
        assert overflow(page) == 0, (width, scheme)
    assert axe(page) == []


@pytest.mark.usefixtures("sealed")
def test_the_browser_takes_an_export_and_a_proof_along(dora: Officer) -> None:
    page = dora.sign_in()
    page.goto(f"{dora.console.url}/audit")
    with page.expect_download() as export:
        page.get_by_role("button", name="Download an export").click()
    _proof(page)
    with page.expect_download() as proof:
        page.get_by_role("link", name="Download the proof").click()

    assert export.value.suggested_filename.endswith(".zip")
    assert proof.value.suggested_filename.startswith("keys-")


def test_times_to_look_for_are_typed_in_the_reader_s_zone_with_utc_beside(
    new_page: Callable[..., Page], dora: Officer
) -> None:
    page, console = new_page(timezone_id="America/New_York"), dora.console
    console.sign_in(page.context, dora.officer_id, dora.authenticator_id)
    page.goto(f"{console.url}/audit?ask=1&since=2026-11-27T08:30")
    since, until = page.locator("#since"), page.locator("#until")
    expect(since).to_have_value("2026-11-27T03:30")
    expect(since).to_have_accessible_description("2026-11-27 08:30 UTC")
    expect(since).to_have_accessible_name("From (GMT-5)")

    until.fill("2027-07-01T10:00")
    page.get_by_role("button", name="Look").click()

    page.wait_for_url("**until=2027-07-01T14%3A00Z**")
    assert "since=2026-11-27T08%3A30Z" in page.url
    expect(page.locator("#until")).to_have_value("2027-07-01T10:00")
    expect(page.locator("#until")).to_have_accessible_name("Until (GMT-4)")
