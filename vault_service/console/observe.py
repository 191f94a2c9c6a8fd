"""One line and one measurement a request: which page was asked for in general, never what it was about."""

import time

import structlog
from flask import Flask, Response, g, request

from vault_service.web.metrics import FaceMetrics

_log = structlog.get_logger("console")
_NO_ROUTE = "-"
_METHODS = frozenset({"GET", "HEAD", "POST"})


def observe(app: Flask, metrics: FaceMetrics) -> None:
    """Count what the application answers."""

    def begin() -> None:
        g.began = time.perf_counter()

    def end(response: Response) -> Response:
        # The template, never the path: a case's id stands in it. Nor what else a client made up.
        route = request.url_rule.rule if request.url_rule is not None else _NO_ROUTE
        method = request.method if request.method in _METHODS else "OTHER"
        took = time.perf_counter() - g.began
        metrics.request(route, method, response.status_code, took)
        _log.info(
            "request", method=method, route=route, status=response.status_code,
            duration_ms=round(took * 1000, 2),
        )  # fmt: skip
        return response

    app.before_request(begin)
    app.after_request(end)
