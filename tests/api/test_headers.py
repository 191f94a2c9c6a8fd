"""What every answer carries, and who may ask."""

import re

import pytest
from flask.testing import FlaskClient

from tests.api.face import APP_KEY, AS_APP, AS_USER, NO_SERVICES, ROUTES, SESSION_TOKEN, client_of
from vault_service.api.app import create_app

EVERYTHING = [
    ("GET", "/query", 200), ("POST", "/as-user", 401), ("GET", "/nope", 404), ("DELETE", "/echo", 405),
    ("GET", "/stream/whole", 200), ("GET", "/stream/refused", 503), ("HEAD", "/query", 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), EVERYTHING)
def test_no_answer_is_cached_sniffed_or_shown_as_a_page(
    method: str, path: str, status: int, face: FlaskClient
) -> None:
    answer = face.open(path, method=method)

    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not [name for name in answer.headers.keys() if name.startswith("Access-Control-")]  # noqa: SIM118
    assert "Strict-Transport-Security" not in answer.headers


def test_only_the_documentation_may_be_kept_for_a_while(face: FlaskClient) -> None:
    for path in ("/docs", "/openapi.json"):
        assert face.get(path).headers["Cache-Control"] == "public, max-age=300"


def test_where_clients_come_by_tls_they_are_told_to_stay_with_it() -> None:
    face = client_of(create_app(NO_SERVICES, routes=ROUTES, https=True))

    assert "max-age=" in face.get("/nope").headers["Strict-Transport-Security"]


@pytest.mark.parametrize("given", ["01a20bbd-f6bf-70ef-98e6-311a0c08ee55", "job.42_retry-1"])
def test_a_sane_request_id_is_taken_over(given: str, face: FlaskClient) -> None:
    assert face.get("/query", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "short", "a" * 65, "x'; DROP --", "vss_01234567", "vsa_01234567", "vso_01234567", "é" * 9],
)  # fmt: skip
def test_any_other_request_id_is_replaced(given: str, face: FlaskClient) -> None:
    """What looks like a token of ours must not get into a log by this way either."""
    answer = face.get("/query", headers={"X-Request-Id": given}).headers["X-Request-Id"]

    assert answer != given
    assert re.fullmatch(r"[0-9a-f-]{36}", answer)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_is_accepted_whatever_the_case_of_its_scheme(scheme: str, face: FlaskClient) -> None:
    for path, token in (("/as-app", APP_KEY.reveal()), ("/as-user", SESSION_TOKEN.reveal())):
        assert face.post(path, headers={"Authorization": f"{scheme} {token}"}).status_code == 204


NOT_AN_APP_KEY = {
    "nothing": {},
    "another scheme": {"Authorization": f"Basic {APP_KEY.reveal()}"},
    "no scheme": {"Authorization": APP_KEY.reveal()},
    "an empty token": {"Authorization": "Bearer "},
    "a session": AS_USER,
    "one character short": {"Authorization": f"Bearer {APP_KEY.reveal()[:-1]}"},
    "two keys": {"Authorization": f"Bearer {APP_KEY.reveal()} {APP_KEY.reveal()}"},
    "another script": {"Authorization": "Bearer vsa_" + "é" * 86},
}


@pytest.mark.parametrize("headers", NOT_AN_APP_KEY.values(), ids=NOT_AN_APP_KEY.keys())
def test_anything_but_an_app_key_is_401_with_a_challenge(headers: dict[str, str], face: FlaskClient) -> None:
    answer = face.post("/as-app", headers=headers)

    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["code"] == "app.refused"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vault_service"'


def test_an_app_key_is_not_a_session(face: FlaskClient) -> None:
    answer = face.post("/as-user", headers=AS_APP)

    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["code"] == "session.refused"


def test_who_is_asking_is_checked_before_the_body_is_read(face: FlaskClient) -> None:
    """Strangers cannot make the service parse anything."""
    for body, media_type in (
        (b"{", "application/json"),
        (b"\xff", "text/plain"),
        (b"x" * 9999, "text/plain"),
    ):
        answer = face.post("/keep", data=body, headers={"Content-Type": media_type})
        assert answer.status_code == 401


def test_a_stream_that_is_refused_at_once_is_an_ordinary_problem(face: FlaskClient) -> None:
    answer = face.get("/stream/refused")

    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")


def test_a_whole_stream_ends_with_its_last_line(face: FlaskClient) -> None:
    answer = face.get("/stream/whole")

    assert (answer.status_code, answer.content_type) == (200, "application/jsonl")
    assert answer.data.splitlines()[-1] == b'{"end":true,"records":1}'


@pytest.mark.parametrize(
    ("how", "code"), [("broken", b"service.database_unavailable"), ("unforeseen", b"vault.error")]
)
def test_a_stream_that_cannot_go_on_says_so(how: str, code: bytes, face: FlaskClient) -> None:
    answer = face.get(f"/stream/{how}")

    assert answer.data.splitlines() == [b'{"n":1}', b'{"end":false,"code":"%s"}' % code]
