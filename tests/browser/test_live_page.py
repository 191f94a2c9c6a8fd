"""What a script shows of a rotation that runs: without loading the page anew, and said once it ends."""

from playwright.sync_api import expect

from tests.browser.chromium import axe
from tests.browser.officers import Officer
from tests.browser.served import Console
from tests.rotation.under_way import Turning, set_engine


def test_a_page_that_is_open_follows_a_rotation_to_its_end(console: Console, dora: Officer) -> None:
    set_engine(console.vault, batch=1)
    with Turning.of(console.vault, people=10) as turning:
        turning.new_key()
        started = turning.start(rate=1)
        page = dora.page
        page.goto(f"{console.url}/rotations")
        page.evaluate("window.sameDocument = true")
        part = page.locator(f'[data-turn="{started.rotation_id}"]')
        bar, says = part.locator("progress"), part.locator('[data-part="says"]')
        expect(says).to_contain_text("waiting for a worker")
        assert axe(page) == []

        worker = turning.start_worker()
        page.wait_for_function(
            "bar => bar.value > 0 && bar.value < bar.max", arg=bar.element_handle()
        )  # on its way
        turning.pause()
        turning.resume(rate=0)
        turning.wait_until_finished()
        worker.stop()

        expect(page.get_by_role("status")).to_contain_text("finished")
        expect(part.locator('[data-part="state"]')).to_have_text("finished")
        assert bar.evaluate("bar => bar.value === bar.max")
        assert page.evaluate("window.sameDocument") is True


def test_a_page_whose_officer_is_signed_out_says_that_it_stands_still(
    console: Console, dora: Officer
) -> None:
    page = dora.page
    page.goto(f"{console.url}/rotations")
    for session in list(console.services.sessions._live.values()):
        console.services.sessions.end(session[0])

    expect(page.get_by_role("status")).to_contain_text("signed out")
