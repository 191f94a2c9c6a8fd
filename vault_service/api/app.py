"""The WSGI application: routing, identification, strict reading, problem documents, headers."""

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.exceptions import RequestEntityTooLarge as TooLarge

from vault_service.api.docs import DocsPage, render_docs
from vault_service.api.health import NotReadyError
from vault_service.api.metrics import Metrics
from vault_service.api.observe import Trace
from vault_service.api.openapi import openapi_document
from vault_service.api.reading import may_be_large, read_asked
from vault_service.api.route import JSON, AnyRoute, Call, Reply
from vault_service.api.routes import ROUTES
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.api.user_page.site import add_user_page
from vault_service.domain.errors import (
    BodyTooLargeError,
    InvalidInputError,
    MethodNotAllowedError,
    NoSuchRouteError,
    VaultError,
)
from vault_service.domain.tokens import SessionToken
from vault_service.logs import describe
from vault_service.web.drain import drain
from vault_service.web.problems import MEDIA_TYPE, headers_of, problem_of, status_of

_log = structlog.get_logger("api")

DATA = "/v1/"  # below it is people's data; beside it what tells of the service itself
_PARAMETER = re.compile(r"{(\w+)}")
_SAFE = {
    "Cache-Control": "no-store",  # personal data stays in no cache on the way
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_TLS_ONLY = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}  # two years


def create_app(
    services: Services,
    *,
    admit: Callable[[], None] = lambda: None,
    https: bool = False,
    metrics: Metrics | None = None,
    routes: tuple[AnyRoute, ...] = ROUTES,
    user_page: PageServices | None = None,
) -> Flask:
    """The API as a WSGI application.

    `admit`: called before whatever touches somebody's data; raises what keeps everybody out.
    `https`: do clients reach it by TLS (it then demands that)?
    `user_page`: what /me calls, where there is one.
    """
    app = Flask("vault_service.api", static_folder=None, template_folder=None)
    app.url_map.merge_slashes = False  # one spelling for each address, no redirects
    app.before_request(_begin)
    app.after_request(_finisher({**_SAFE, **(_TLS_ONLY if https else {})}, metrics or Metrics.create()))
    app.register_error_handler(Exception, _refuse)
    for each in routes:
        app.add_url_rule(
            _PARAMETER.sub(r"<\1>", each.path), each.name, _view(each, services, admit),
            methods=[each.method], provide_automatic_options=False,
        )  # fmt: skip
    if user_page is not None:
        add_user_page(app, user_page, admit)
    _serve_documents(app, openapi_document(routes), render_docs(routes))
    return app


def _begin() -> None:
    g.trace = trace = Trace.of(request)
    if request.url_rule is not None:
        trace.route = request.url_rule.rule
    if request.environ.get("PATH_INFO", "").startswith("//"):
        raise NoSuchRouteError  # werkzeug takes it for one stroke; rules of a proxy before us may not


def _trace() -> Trace:
    trace: Trace | None = g.get("trace")
    return trace or Trace.of(request)


def _view(route: AnyRoute, services: Services, admit: Callable[[], None]) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        who = route.who.identify(request.headers.get("Authorization"))
        g.trace.who = who
        if route.path.startswith(DATA):
            admit()
        if isinstance(who, SessionToken) and may_be_large(route, request):
            services.records.demand_session(who)  # so much is taken and parsed for nobody else
        asked = read_asked(route, request)
        return _render(route, route.handler(Call(services, who, asked, path, _Headers())))

    return view


class _Headers(Mapping[str, str]):
    """The request's headers by name, whatever the case; of a repeated one, all values (RFC 9110, 5.3)."""

    def __getitem__(self, name: str) -> str:
        values = request.headers.getlist(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(request.headers.keys())

    def __len__(self) -> int:
        return len(request.headers)


def _render(route: AnyRoute, reply: Reply) -> Response:
    headers = dict(reply.headers)
    content = reply.content
    if content is None:
        response = Response(status=reply.status, headers=headers)
        del response.headers["Content-Type"]
        return response
    if isinstance(content, msgspec.Struct):
        return Response(msgspec.json.encode(content), reply.status, headers, content_type=JSON)
    media_type = next(way.media_type for way in route.gives if way.status == reply.status)
    return Response(content, reply.status, headers, content_type=media_type)


def _refuse(error: Exception) -> Response:
    trace = _trace()
    drain(request)
    headers: dict[str, str] = {}
    extensions: dict[str, Any] = {}
    if isinstance(error, VaultError):
        refusal = error
        if status_of(type(error)) is HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("api.failed", request_id=trace.request_id, code=error.code, **describe(error))
    elif isinstance(error, HTTPException):
        refusal = _of_http(error)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(sorted(error.valid_methods))
    else:
        refusal = VaultError()
        _log.error("api.failed", request_id=trace.request_id, **describe(error))
    if isinstance(refusal, NotReadyError):
        extensions["parts"] = refusal.parts
    if refusal.index is not None:
        extensions["index"] = refusal.index
    trace.code = refusal.code
    problem = problem_of(refusal, trace.request_id, **extensions)
    return Response(
        msgspec.json.encode(problem), problem.status, {**headers_of(refusal), **headers},
        content_type=MEDIA_TYPE,
    )  # fmt: skip


def _of_http(error: HTTPException) -> VaultError:
    """What the framework itself refuses; its own words may quote the request."""
    if isinstance(error, NotFound):
        return NoSuchRouteError()
    if isinstance(error, MethodNotAllowed):
        return MethodNotAllowedError()
    if isinstance(error, TooLarge):
        return BodyTooLargeError()
    if error.code is not None and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidInputError("request", "not well-formed HTTP")
    return VaultError()


def _finisher(safe: Mapping[str, str], metrics: Metrics) -> Callable[[Response], Response]:
    def finish(response: Response) -> Response:
        trace = _trace()
        for name, value in safe.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = trace.request_id
        response.call_on_close(lambda: trace.report(response, metrics))
        return response

    return finish


def _serve_documents(app: Flask, document: bytes, page: DocsPage) -> None:
    """The only answers that anybody may keep for a while."""
    kept = {"Cache-Control": "public, max-age=300"}

    def openapi() -> Response:
        return Response(document, headers=kept, content_type=JSON)

    def docs() -> Response:
        policy = {"Content-Security-Policy": page.content_security_policy}
        return Response(page.html, headers={**kept, **policy}, content_type="text/html; charset=utf-8")

    for path, view in (("/openapi.json", openapi), ("/docs", docs)):
        app.add_url_rule(path, view.__name__, view, methods=["GET"], provide_automatic_options=False)
