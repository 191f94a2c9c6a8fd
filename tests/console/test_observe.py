"""What the console counts and logs of a request: which page in general, never which case."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from flask import Flask
from prometheus_client import generate_latest

from vault_service.console.observe import observe
from vault_service.logs import configure_logging
from vault_service.web.metrics import FaceMetrics

CASE = "01a20bd4-b9cf-720c-91f9-0159d46a5734"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def metrics() -> FaceMetrics:
    return FaceMetrics.create("console")


@pytest.fixture
def app(metrics: FaceMetrics) -> Flask:
    made = Flask("tests")
    made.add_url_rule("/cases/<case_id>", "case", lambda case_id: f"the case {case_id}")
    observe(made, metrics)
    return made


def test_a_page_is_counted_by_its_template(
    app: Flask, metrics: FaceMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging()

    app.test_client().get(f"/cases/{CASE}?login=ana@example.org")

    shown = generate_latest(metrics.registry).decode()
    (line,) = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert 'vault_requests_total{method="GET",route="/cases/<case_id>",status="200"} 1.0' in shown
    assert (line["event"], line["route"], line["status"]) == ("request", "/cases/<case_id>", 200)
    assert CASE not in shown + json.dumps(line)
    assert "ana@" not in shown + json.dumps(line)


def test_nothing_that_a_client_makes_up_becomes_a_label(app: Flask, metrics: FaceMetrics) -> None:
    """Else somebody without a session could fill the memory with series."""
    client = app.test_client()
    for invented in range(5):
        client.open(f"/made-up-{invented}", method=f"INVENTED{invented}")

    shown = generate_latest(metrics.registry).decode()
    assert 'vault_requests_total{method="OTHER",route="-",status="404"} 5.0' in shown
    assert "made-up" not in shown
