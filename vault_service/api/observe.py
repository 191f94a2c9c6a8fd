"""One line and one measurement a request: what was asked in general, never what it was about."""

import re
import time
from dataclasses import dataclass, field

import structlog
from flask import Request, Response

from vault_service.api.metrics import Metrics
from vault_service.domain.ids import new_uuid
from vault_service.domain.tokens import AppKey, SessionToken

_log = structlog.get_logger("api")

# Whoever asks may name the request, but nothing that looks like a token of ours gets into a log.
_SANE_ID = re.compile(r"(?!vs[aso]_)[A-Za-z0-9][A-Za-z0-9_.-]{7,63}")
# Statuses that a use case answers only after it has accepted who is asking; until then an id in a
# token is a claim, and would let a stranger write somebody's id into the log.
_PROVEN = frozenset({200, 201, 204, 304, 403, 404, 409, 412})
NO_ROUTE = "-"


@dataclass(slots=True)
class Trace:
    """What is known of a request while it is served."""

    request_id: str
    method: str
    route: str = NO_ROUTE  # the template, never the path
    began: float = field(default_factory=time.perf_counter)
    who: AppKey | SessionToken | None = None
    code: str | None = None

    @classmethod
    def of(cls, request: Request) -> "Trace":
        """A trace with the client's request id if that is sane, else with one of ours."""
        given = request.headers.get("X-Request-Id", "")
        sane = _SANE_ID.fullmatch(given) is not None
        method = request.method if request.method in _METHODS else "OTHER"
        return cls(given if sane else str(new_uuid()), method)

    def _ids(self, status: int) -> dict[str, str]:
        if status not in _PROVEN:
            return {}
        if isinstance(self.who, AppKey):
            return {"app_id": str(self.who.app)}
        return {"user_id": str(self.who.user)} if isinstance(self.who, SessionToken) else {}

    def report(self, response: Response, metrics: Metrics) -> None:
        """Called once, when the last byte was handed over."""
        took = time.perf_counter() - self.began
        metrics.request(self.route, self.method, response.status_code, took)
        optional = {"code": self.code} if self.code else {}
        _log.info(
            "request",
            request_id=self.request_id,
            method=self.method,
            route=self.route,
            status=response.status_code,
            duration_ms=round(took * 1000, 2),
            **optional,
            **self._ids(response.status_code),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
