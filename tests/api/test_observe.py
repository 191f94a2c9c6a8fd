"""One log line and one measurement a request, which tell what was asked and never what it was about."""

import json
from collections.abc import Iterator

import pytest
import structlog
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest

from tests.api.face import APP_KEY, AS_APP, AS_USER, CANARY, NO_SERVICES, ROUTES, SESSION_TOKEN, client_of
from vault_service.api.app import create_app
from vault_service.api.metrics import Metrics
from vault_service.logs import configure_logging


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.create()


@pytest.fixture
def face(metrics: Metrics) -> Iterator[FlaskClient]:
    configure_logging()
    yield client_of(create_app(NO_SERVICES, routes=ROUTES, metrics=metrics))
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_is_one_line_with_its_route_template(
    face: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = face.get("/things/0190a5b0-7e3f-7abc-8def-0123456789ab")

    (line,) = _lines(capsys)
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert (line["event"], line["method"], line["route"], line["status"]) == (
        "request", "GET", "/things/<thing_id>", 200,
    )  # fmt: skip
    assert isinstance(line["duration_ms"], float)
    assert "0190a5b0" not in json.dumps({**line, "request_id": ""})


def test_an_address_that_is_no_route_is_not_logged(
    face: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    face.get(f"/{CANARY}?{CANARY}={CANARY}")

    (line,) = _lines(capsys)
    assert (line["route"], line["code"]) == ("-", "request.no_such_route")
    assert CANARY not in json.dumps(line)


def test_app_and_user_are_logged_when_they_are_proven(
    face: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    face.post("/as-app", headers=AS_APP)
    face.post("/as-user", headers=AS_USER)

    by_app, by_user = _lines(capsys)
    assert by_app["app_id"] == str(APP_KEY.app)
    assert by_user["user_id"] == str(SESSION_TOKEN.user)


def test_an_id_in_a_token_that_was_refused_is_not_logged(
    face: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a stranger could write somebody's id into the log."""
    face.get("/fail/session.refused", headers=AS_USER)

    (line,) = _lines(capsys)
    assert (line["status"], line["code"]) == (401, "session.refused")
    assert "user_id" not in line


def test_an_error_that_nobody_foresaw_is_logged_by_type_and_place(
    face: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = face.get("/fail/unforeseen", headers=AS_USER)

    failed, request = _lines(capsys)
    assert failed["request_id"] == request["request_id"] == answer.headers["X-Request-Id"]
    assert failed["error"] == "builtins.ValueError"
    assert isinstance(failed["where"], list)
    assert str(failed["where"][-1]).startswith("tests/api/face.py:")


PLANTED = [
    lambda face: face.post("/echo", json={"name": CANARY[:20], "fields": {CANARY: CANARY}}),
    lambda face: face.post("/echo", json={"name": CANARY, CANARY: CANARY}),
    lambda face: face.post("/echo", data=CANARY, headers={"Content-Type": "application/json"}),
    lambda face: face.post("/echo", data=CANARY, headers={"Content-Type": CANARY}),
    lambda face: face.post("/echo", json={"name": "a"}, headers={"Idempotency-Key": f"{CANARY} x"}),
    lambda face: face.get(f"/query?flag={CANARY}&where=email:{CANARY}"),
    lambda face: face.get(f"/query?{CANARY}=1"),
    lambda face: face.get(f"/things/{CANARY}"),
    lambda face: face.open("/query", method=CANARY.upper()),
    lambda face: face.post("/as-app", headers={"Authorization": f"Bearer {CANARY}"}),
    lambda face: face.post("/as-app", headers={"User-Agent": CANARY, "Referer": CANARY, "Cookie": CANARY}),
    lambda face: face.get("/fail/unforeseen", headers=AS_USER),
    lambda face: face.get("/stream/unforeseen"),
    lambda face: face.post("/as-user", headers=AS_USER),
    lambda face: face.get("/query", headers={"X-Request-Id": SESSION_TOKEN.reveal()}),
]


@pytest.mark.parametrize("ask", PLANTED)
def test_what_is_sent_stands_in_no_log_and_in_no_figure(
    ask: object, face: FlaskClient, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(face)  # type: ignore[operator]  # one of the above

    said = capsys.readouterr()
    assert json.loads(said.err.splitlines()[-1])["event"] == "request"
    for text in (said.err, said.out, generate_latest(metrics.registry).decode()):
        for secret in (CANARY, CANARY.upper(), SESSION_TOKEN.reveal(), APP_KEY.reveal()):
            assert secret not in text
            assert secret[:20] not in text


def _figure(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_requests_are_counted_by_template_method_and_status(face: FlaskClient, metrics: Metrics) -> None:
    face.get("/things/0190a5b0-7e3f-7abc-8def-0123456789ab")
    face.get("/things/x")
    face.get("/nowhere")

    def count(route: str, status: str) -> float | None:
        return _figure(metrics.registry, "vault_requests_total", route=route, method="GET", status=status)

    assert [count("/things/<thing_id>", "200"), count("/things/<thing_id>", "404"), count("-", "404")] == [
        1,
        1,
        1,
    ]


def test_an_invented_method_makes_no_label_of_its_own(face: FlaskClient, metrics: Metrics) -> None:
    """Labels that callers choose would let them fill the memory of whoever collects the figures."""
    face.open("/query", method="INVENTED")

    assert "INVENTED" not in generate_latest(metrics.registry).decode()


def test_calls_of_the_key_service_and_the_pool_are_measured(metrics: Metrics) -> None:
    metrics.kms_call("unlock", "login.refused", 0.2)
    metrics.watch_pool(lambda: {"pool_size": 4, "requests_waiting": 1})

    assert _figure(metrics.registry, "vault_kms_calls_total", call="unlock", outcome="login.refused") == 1
    assert _figure(metrics.registry, "vault_db_pool", figure="requests_waiting") == 1


def test_a_part_that_is_away_is_a_nought_before_anybody_asks_for_it(metrics: Metrics) -> None:
    metrics.watch_parts(lambda: {"kms": "ok", "token": "service.token_unavailable"})

    assert _figure(metrics.registry, "vault_part_usable", part="kms") == 1
    assert _figure(metrics.registry, "vault_part_usable", part="token") == 0
