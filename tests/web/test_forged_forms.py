"""Forms that a page of another site has the browser send, with the officer's cookies on it."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.toy import FORM, ORIGIN, Notes, browser, own

JSON = "application/json"
BODIES = {
    FORM: b"note=forged&csrf_token=ana-s-token",
    "text/plain": b'{"note": "forged", "x": "="}',
    "multipart/form-data; boundary=b": (
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nforged\r\n'
        b'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\nana-s-token\r\n--b--\r\n'
    ),
    JSON: b'{"note": "forged"}',
}
"""A form can have the first three; the fourth needs a script, which the browser asks leave for."""

ELSEWHERE = {
    "another site": {"Origin": "https://evil.example"},
    "a sandboxed frame": {"Origin": "null"},
    "a neighbour of the same domain": {"Origin": "https://wiki.example.org"},
    "the same name in clear text": {"Origin": "http://console.example.org"},
    "another port": {"Origin": f"{ORIGIN}:8443"},
    "a name that begins alike": {"Origin": f"{ORIGIN}.evil.example"},
    "no origin at all": {},
    "a browser that says it crossed sites": {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
    "a browser that says it came from a neighbour": {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
    "a sandboxed frame of a neighbour": {"Origin": "null", "Sec-Fetch-Site": "same-site"},
    "a sandboxed frame, by a browser that says so": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a stranger that calls itself ours": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    "an address that was typed": {"Origin": ORIGIN, "Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("media_type", BODIES)
@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_a_form_from_elsewhere_has_no_effect_even_with_the_right_token(
    ana: FlaskClient, notes: Notes, headers: dict[str, str], media_type: str
) -> None:
    sent = {**headers, "X-CSRF-Token": "ana-s-token", "Accept": JSON}

    answer = ana.post("/note", data=BODIES[media_type], content_type=media_type, headers=sent)

    assert (answer.status_code, answer.get_json(force=True)["code"]) == (403, "web.wrong_origin")
    assert notes.written == []


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_nobody_is_signed_in_by_a_form_from_elsewhere(
    nobody: FlaskClient, notes: Notes, headers: dict[str, str]
) -> None:
    """Otherwise an attacker could have an officer work in the attacker's own session."""
    answer = nobody.post("/sign-in", content_type=FORM, headers=headers)

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert notes.written == []


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=b", "", "text/json"])
def test_media_types_that_a_form_can_have_but_ours_are_refused_from_our_own_pages_too(
    ana: FlaskClient, notes: Notes, media_type: str
) -> None:
    body = BODIES.get(media_type, BODIES[JSON])

    answer = ana.post(
        "/note", data=body, content_type=media_type, headers=own(**{"X-CSRF-Token": "ana-s-token"})
    )

    assert answer.status_code == 400
    assert notes.written == []


TOKENS = {
    "none": "note=x",
    "an empty one": "note=x&csrf_token=",
    "another session's": "note=x&csrf_token=ben-s-token",
    "two, of which one is right": "note=x&csrf_token=ana-s-token&csrf_token=ben-s-token",
    "one of another alphabet": "note=x&csrf_token=%C3%A9",
    "the right one's beginning": "note=x&csrf_token=ana-s-toke",
}


@pytest.mark.parametrize("body", TOKENS.values(), ids=list(TOKENS))
def test_a_form_without_the_token_of_its_session_has_no_effect(
    ana: FlaskClient, notes: Notes, body: str
) -> None:
    answer = ana.post("/note", data=body, content_type=FORM, headers=own())

    assert answer.status_code == 403
    assert b"from before you signed in" in answer.data
    assert notes.written == []


@pytest.mark.parametrize("token", [None, "", "ben-s-token", "\u00e9"])
def test_a_script_without_the_token_of_its_session_has_no_effect(
    ana: FlaskClient, notes: Notes, token: str | None
) -> None:
    headers = own() if token is None else own(**{"X-CSRF-Token": token})

    answer = ana.post("/note", data=BODIES[JSON], content_type=JSON, headers=headers)

    assert answer.get_json(force=True)["code"] == "web.wrong_token"
    assert notes.written == []


def test_a_token_in_a_json_body_is_not_looked_at(ana: FlaskClient, notes: Notes) -> None:
    """One way for each: what is in the body is checked as the page declares it."""
    body = b'{"note": "x", "csrf_token": "ana-s-token"}'

    assert ana.post("/note", data=body, content_type=JSON, headers=own()).status_code == 403
    assert notes.written == []


def test_the_token_of_somebody_who_signed_out_opens_nothing(app: Flask, notes: Notes) -> None:
    gone = browser(app, "a-session-that-ended")

    answer = gone.post("/note", data="note=x&csrf_token=ana-s-token", content_type=FORM, headers=own())

    assert answer.status_code == 401
    assert notes.written == []


def test_our_own_form_works_though_no_referrer_makes_its_origin_null(ana: FlaskClient, notes: Notes) -> None:
    """Fetch, section 3.2: where the policy is no-referrer, a navigation's Origin is null."""
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}

    ana.post("/note", data="note=one&csrf_token=ana-s-token", content_type=FORM, headers=headers)

    assert notes.written == ["one"]


def test_our_own_form_and_our_own_script_do_work(ana: FlaskClient, notes: Notes) -> None:
    form = ana.post("/note", data="note=one&csrf_token=ana-s-token", content_type=FORM, headers=own())
    headers = own(**{"X-CSRF-Token": "ana-s-token"})
    script = ana.post("/note", data=b'{"note": "two"}', content_type=JSON, headers=headers)

    assert (form.status_code, script.status_code) == (303, 303)
    assert notes.written == ["one", "two"]


def test_a_link_changes_nothing(ana: FlaskClient, notes: Notes) -> None:
    """GET, HEAD and OPTIONS of an address that takes forms."""
    assert [ana.open("/sign-out", method=each).status_code for each in ("GET", "HEAD", "OPTIONS")] == [
        405
    ] * 3
    assert notes.written == []
