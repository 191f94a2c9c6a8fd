"""What only a browser can show: hostile strings run nowhere, and pages of other sites get at nothing."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.elsewhere import Elsewhere, running_elsewhere
from tests.browser.hostile_in_bulk import HOOK
from tests.browser.officers import Officer
from tests.browser.served import Console


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    """An attacker's site."""
    with running_elsewhere() as running:
        yield running


@pytest.fixture
def visitor(console: Console, officers: dict[str, Officer], new_page: Callable[..., Page]) -> Page:
    """Signed in as dora in a browser without her passkey: what is opened here ends with the test."""
    dora, page = officers["dora"], new_page()
    console.sign_in(page.context, dora.officer_id, dora.authenticator_id)
    return page


def test_scripts_of_the_page_cannot_be_made_from_strings(console: Console, page: Page) -> None:
    """Trusted Types, and no inline script or style: what an injected string would need."""
    page.add_init_script(HOOK)
    page.goto(f"{console.url}/sign-in")

    outcome = page.evaluate(
        """() => {
            const tried = (act) => { try { act(); return "done"; } catch (error) { return error.name; } };
            const div = document.createElement("div");
            document.body.append(div);
            return {
                html: tried(() => { div.innerHTML = "<b>x</b>"; }),
                beside: tried(() => div.insertAdjacentHTML("beforeend", "<b>x</b>")),
                script: tried(() => { document.createElement("script").text = "alert(1)"; }),
                address: tried(() => { document.createElement("script").src = "https://evil.example/x.js"; }),
                document: tried(() => document.write("<b>x</b>")),
                frame: tried(() => { document.createElement("iframe").srcdoc = "<b>x</b>"; }),
                policy: tried(() => trustedTypes.createPolicy("mine", { createHTML: (html) => html })),
                parsed: tried(() => new DOMParser().parseFromString("<b>x</b>", "text/html")),
            };
        }"""
    )
    page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.append("alert('from a text node')");
            document.body.append(script);
            const link = document.createElement("a");
            link.href = "javascript:alert('from a link')";
            document.body.append(link);
            link.click();
            const styled = document.createElement("p");
            styled.setAttribute("style", "position: fixed");
            document.body.append(styled);
            await new Promise((done) => setTimeout(done, 100));
        }"""
    )

    assert set(outcome.values()) == {"TypeError"}
    ran = page.evaluate("window.ran")
    assert ran
    assert not [each for each in ran if each.startswith("from")]
    assert page.locator("p[style]").evaluate("(found) => getComputedStyle(found).position") == "static"


def test_nothing_from_another_host_is_loaded(console: Console, page: Page, elsewhere: Elsewhere) -> None:
    elsewhere.asked.clear()
    page.goto(f"{console.url}/sign-in")

    page.evaluate(
        """async (url) => {
            const image = new Image();
            image.src = `${url}/image`;
            await Promise.allSettled([
                fetch(`${url}/fetch`, { mode: "no-cors" }),
                new Promise((done) => { image.onload = image.onerror = done; }),
            ]);
            navigator.sendBeacon(`${url}/beacon`, "x");
        }""",
        elsewhere.url,
    )

    assert elsewhere.asked == []


@pytest.mark.parametrize("path", ["/sign-in", "/", "/nothing-here"])
def test_no_page_is_shown_in_a_frame(
    console: Console, visitor: Page, elsewhere: Elsewhere, path: str
) -> None:
    """Not even with the officer's session: a click meant for the page around it could approve a case."""
    elsewhere.page = f"<title>x</title><iframe src='{console.url}{path}'></iframe>"

    visitor.goto(f"{elsewhere.url}/")

    frame = visitor.frames[1]
    frame.wait_for_url("chrome-error://chromewebdata/", wait_until="commit")


KINDS = {
    "application/x-www-form-urlencoded": "<input name='csrf_token' value='guessed'>",
    "multipart/form-data": "<input name='csrf_token' value='guessed'>",
    "text/plain": """<input name='{"note":"x","y":"' value='"}'>""",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another site", "a neighbour"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_form_of_another_site_signs_nobody_out(
    console: Console, visitor: Page, elsewhere: Elsewhere, kind: str, host: str
) -> None:
    """A neighbour has SameSite cookies sent along; here it is another port of the same host."""
    elsewhere.page = (
        f"<title>x</title><form method=post action='{console.url}/sign-out' enctype='{kind}'>{KINDS[kind]}"
        "</form><script>document.forms[0].submit()</script>"
    )
    page = visitor

    with page.expect_response(f"{console.url}/sign-out") as answer:
        page.goto(f"{elsewhere.url.replace('127.0.0.1', host)}/", wait_until="commit")

    assert answer.value.status == 403
    page.wait_for_url(f"{console.url}/sign-out")
    assert page.goto(f"{console.url}/").url == f"{console.url}/"  # type: ignore[union-attr]  # a page always answers


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_script_of_another_site_has_nothing_done_and_reads_nothing(
    console: Console, visitor: Page, elsewhere: Elsewhere, kind: str
) -> None:
    elsewhere.page = "<title>x</title>"
    page = visitor
    page.goto(f"{elsewhere.url.replace('127.0.0.1', 'localhost')}/")

    outcome = page.evaluate(
        """async ([url, kind]) => {
            const tried = (path, options) =>
                fetch(url + path, { credentials: "include", ...options })
                    .then((answer) => answer.text(), (error) => error.name);
            return [
                await tried("/sign-out", { method: "POST", body: "{}", headers: { "Content-Type": kind } }),
                await tried("/cases", {}),
            ];
        }""",
        [console.url, kind],
    )

    assert outcome == ["TypeError", "TypeError"]
    page.goto(f"{console.url}/")
    assert page.url == f"{console.url}/"


def test_a_window_that_another_site_opened_is_out_of_its_reach(
    console: Console, visitor: Page, elsewhere: Elsewhere
) -> None:
    elsewhere.page = "<title>x</title>"
    page = visitor
    page.goto(f"{elsewhere.url}/")

    page.evaluate("(url) => { window.opened = open(url); }", f"{console.url}/")

    page.wait_for_function("window.opened.closed")  # to whoever opened it; it is still there


def test_a_time_is_shown_in_the_readers_zone_with_utc_beside(
    console: Console, new_page: Callable[..., Page]
) -> None:
    shown = {}
    for zone in ("Europe/Berlin", "America/Los_Angeles", "UTC"):
        page = new_page(timezone_id=zone, locale="en-US")
        page.goto(f"{console.url}/sign-in")
        shown[zone] = page.evaluate(
            """async () => {
                const { showTimes } = await import(document.querySelector("script[src*=times]").src);
                const time = document.createElement("time");
                time.dateTime = "2026-11-28T00:39:30Z";
                time.dataset.when = "";
                document.body.append(time);
                showTimes();
                return time.textContent;
            }"""
        )

    assert shown == {
        "Europe/Berlin": "28 Nov 2026, 01:39 CET (00:39 UTC)",
        "America/Los_Angeles": "27 Nov 2026, 16:39 GMT-8 (28 Nov 2026, 00:39 UTC)",
        "UTC": "28 Nov 2026, 00:39 UTC",
    }
