"""Forms of the console that somebody else made: refused for every address, before anything is looked at."""

import re

import pytest

from tests.console.desk import Browser, Desk
from tests.rig.passkeys import ORIGIN
from vault_service.console.app import VIEWS

_ID = "01a20bd4-b9cf-720c-91f9-0159d46a5734"
# An intent is handed in under its own id, which nobody else knows; the rest of the open ones are for people
# who have no session yet.
_TAKES = sorted(
    re.sub(r"{\w+}", _ID, each.path) for each in VIEWS if each.method == "POST" and not each.open_to_all
)


@pytest.fixture(scope="module")
def dora(desk: Desk) -> Browser:
    """Signed in."""
    return desk.signed_in("dora")


@pytest.mark.parametrize("path", _TAKES)
def test_no_form_works_without_the_sessions_token_or_from_elsewhere(
    desk: Desk, dora: Browser, path: str
) -> None:
    with desk.leaves():
        without = dora.client.post(path, json={}, headers={"Origin": ORIGIN})
        anothers = dora.post(path, {}, **{"X-CSRF-Token": "x" * 43})
        forms = [
            dora.client.post(
                path, data={"csrf_token": dora.csrf}, headers={"Origin": origin, "Sec-Fetch-Site": site}
            )
            for origin, site in (
                ("https://evil.example", "cross-site"),
                ("null", "cross-site"),
                (ORIGIN, "same-site"),
            )
        ]
        plain = dora.client.post(path, data=b"{}", content_type="text/plain", headers={"Origin": ORIGIN})

    assert [each.status_code for each in (without, anothers, *forms, plain)] == [403] * 5 + [400]
    assert dora.get("/invite").status_code == 200  # still signed in: /sign-out is one of them


def test_every_page_that_shows_is_whole_and_for_no_cache(desk: Desk, dora: Browser) -> None:
    for view in VIEWS:
        if view.method != "GET" or "{" in view.path:
            continue
        answer = dora.get(view.path)
        assert answer.status_code in {200, 303}, view.name
        assert answer.headers["Cache-Control"] == "no-store", view.name
        assert answer.headers["X-Frame-Options"] == "DENY", view.name
        if answer.content_type.startswith("text/html") and answer.status_code == 200:
            page = answer.text
            assert page.count("<h1") == 1, view.name
            assert page.count("<main") == page.count("</main>") == 1, view.name
            # Those that a script sends have the token in a header.
            forms = re.findall(r'<form(?![^>]*data-signed)[^>]*method="post".*?</form>', page, re.S)
            scripted = view.path == "/enrol"
            assert scripted or all('name="csrf_token"' in each for each in forms), view.name
