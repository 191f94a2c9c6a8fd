"""What every answer forbids the browser: frames, scripts of others, keeping what it saw."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.toy import FORM, browser, own, toy

ANSWERS = {
    "a page": ("GET", "/note", 200),
    "a page for everybody": ("GET", "/sign-in", 200),
    "JSON for a script": ("GET", "/told", 200),
    "a download": ("GET", "/file", 200),
    "a picture": ("GET", "/picture", 200),
    "an address that there is not": ("GET", "/nowhere", 404),
    "an id that is none": ("GET", "/by-id/1", 404),
    "an address that takes no forms": ("POST", "/told", 405),
    "a query that does not fit": ("GET", "/count?n=many", 400),
    "a page that fails": ("GET", "/fail", 500),
    "a page whose template lacks something": ("GET", "/miss", 500),
    "a form from elsewhere": ("POST", "/note", 403),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=list(ANSWERS))
def test_every_answer_has_them(ana: FlaskClient, method: str, path: str, status: int) -> None:
    answer = ana.open(path, method=method)

    assert answer.status_code == status
    policy = answer.headers["Content-Security-Policy"]
    for each in (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'",
        "base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ):  # fmt: skip
        assert each in policy.split("; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=63072000")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_failure_tells_nothing_of_what_failed(ana: FlaskClient) -> None:
    failed = ana.get("/fail").data
    assert b"secret" not in failed
    assert b"Something went wrong in the service" in failed
    assert b"<code>web.failed</code>" in failed  # as the log calls it
    assert b"note" not in ana.get("/miss", headers={"Accept": "application/json"}).data


def test_a_frame_that_is_broken_itself_still_answers(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page for errors stands in it too."""
    broken = toy()
    monkeypatch.setattr("vault_service.web.site._here", lambda _: 1 // 0)

    answer = browser(broken).get("/note")

    assert answer.status_code == 500
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_clear_text_on_a_developers_machine_is_not_told_to_be_tls_for_ever(ana: FlaskClient) -> None:
    local = browser(toy(origin="http://localhost:8471"))

    assert "Strict-Transport-Security" not in local.get("/note").headers


def test_whoever_is_not_signed_in_is_sent_to_sign_in(nobody: FlaskClient) -> None:
    page, script = nobody.get("/note"), nobody.get("/told", headers={"Accept": "application/json"})

    assert (page.status_code, page.headers["Location"]) == (303, "/sign-in?then=%2Fnote")
    assert (script.status_code, script.get_json(force=True)["code"]) == (401, "web.not_signed_in")


def test_the_session_is_in_a_cookie_that_no_script_reads_and_no_neighbour_sets(nobody: FlaskClient) -> None:
    answer = nobody.post("/sign-in", content_type=FORM, headers=own())

    name, *flags = answer.headers["Set-Cookie"].split("; ")
    assert name == "__Host-toy=ana-s-session"
    assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]


def test_signing_out_takes_the_cookie_back(ana: FlaskClient) -> None:
    answer = ana.post("/sign-out", data="csrf_token=ana-s-token", content_type=FORM, headers=own())

    assert answer.headers["Set-Cookie"].startswith("__Host-toy=; ")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_a_download_is_never_shown_in_the_page(ana: FlaskClient) -> None:
    answer = ana.get("/file")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="trail.tar"'
    assert answer.data == b"ab"
