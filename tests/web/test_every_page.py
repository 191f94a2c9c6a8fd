"""What holds of each page of the console, and of the user's own, by what it declares."""

import re
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from vault_service.api.user_page.site import VIEWS as USER_PAGE
from vault_service.console.app import VIEWS, create_app
from vault_service.console.intents import Intents
from vault_service.console.services import Services
from vault_service.console.sessions import Sessions
from vault_service.web.view import KIB, View

ORIGIN = "https://console.example.org"
SOME_ID = "01a20bd4-b9cf-720c-91f9-0159d46a5734"
AnyView = View[Any, Any]

OPEN = {
    "GET /sign-in", "POST /sign-in", "POST /intents/{intent_id}",
    "GET /enrol", "POST /enrol/begin", "POST /enrol/card", "GET /enrolled/{enrolled_id}",
}  # fmt: skip
OPEN_TO_USERS = {
    "GET /me", "GET /me/sign-in", "POST /me/sign-in", "GET /me/sign-up", "POST /me/sign-up",
    "POST /me/password-advice", "GET /me/recover", "POST /me/recover", "GET /me/recoveries",
    "GET /me/recoveries/{case_id}", "GET /me/recover-by-code", "POST /me/recover-by-code",
    "GET /me/{anything}",  # what there is not
}  # fmt: skip


def address(view: AnyView) -> str:
    return re.sub(r"{\w+}", SOME_ID, view.path)


def closed(method: str) -> list[Any]:
    return [
        pytest.param(each, id=each.name) for each in VIEWS if each.method == method and not each.open_to_all
    ]


@pytest.fixture(scope="module")
def nobody() -> FlaskClient:
    """A visitor who is not signed in, at a console that has nothing behind it: no page gets that far."""
    behind = cast("Any", None)
    app = create_app(Services(behind, Sessions(60, 600), Intents(60), behind, ORIGIN))
    return app.test_client()


def test_nothing_is_open_to_everybody_but_what_has_to_be() -> None:
    """Whoever opens another page decides it here."""
    assert {each.name for each in VIEWS if each.open_to_all} == OPEN
    assert {each.name for each in USER_PAGE if each.open_to_all} == OPEN_TO_USERS


@pytest.mark.parametrize("views", [VIEWS, USER_PAGE], ids=["console", "me"])
def test_no_page_takes_more_than_half_a_megabyte(views: tuple[AnyView, ...]) -> None:
    assert max(each.max_body for each in views) <= 512 * KIB


@pytest.mark.parametrize("view", closed("GET"))
def test_nobody_sees_a_page_without_signing_in(nobody: FlaskClient, view: AnyView) -> None:
    answer = nobody.get(address(view))

    assert (answer.status_code, answer.headers["Location"].partition("?")[0]) == (303, "/sign-in")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("view", closed("POST"))
def test_nobody_has_a_form_work_without_signing_in(nobody: FlaskClient, view: AnyView) -> None:
    answer = nobody.post(address(view), json={}, headers={"Origin": ORIGIN})

    assert (answer.status_code, answer.get_json(force=True)["code"]) == (401, "web.not_signed_in")


@pytest.mark.parametrize(
    "view", [pytest.param(each, id=each.name) for each in VIEWS if each.method == "POST"]
)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_no_form_of_another_site_gets_that_far(
    nobody: FlaskClient, view: AnyView, origin: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}

    answer = nobody.post(address(view), json={}, headers=headers)

    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "web.wrong_origin")


@pytest.mark.parametrize("path", ["/sign-in", "/enrol"])
def test_an_open_page_says_nothing_of_anybody(nobody: FlaskClient, path: str) -> None:
    page = nobody.get(path).text

    assert "csrf-token" not in page
    assert "/sign-out" not in page
