"""The OpenAPI 3.1 document, from the routes' own declarations."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from vault_service.api.route import AnyRoute, Gives
from vault_service.domain import errors as e
from vault_service.web.problems import MEDIA_TYPE, Problem, status_of, title_of

Json = dict[str, Any]

VERSION = "1.0"  # of the interface; its first number stands in every address
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)}")
_REQUEST_HEADERS: Mapping[str, tuple[str, Json]] = {
    "Idempotency-Key": (
        "Your name for this request: repeated with the same body it has no second effect, for a day.",
        {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    ),
    "If-Match": (
        'Only if the record still has this ETag, such as "3".',
        {"type": "string"},
    ),
    "If-None-Match": (
        "Answer 304 if the record still has this ETag.",
        {"type": "string"},
    ),
}
_ANSWER_HEADERS: Mapping[str, str] = {
    "ETag": "The version, in quotation marks.",
    "Location": "Where the new thing is found.",
    "X-Request-Id": "Names this request in the service's log.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "Which kind of token is asked for.",
}
_DESCRIPTION = (
    "A vault for personal data. Each person's data is encrypted under a key of their own, which their "
    "password opens; a recovery takes at least two officers together."
)


def refusals(route: AnyRoute) -> tuple[type[e.VaultError], ...]:
    """Every error that the route may answer: its own, and what its declaration brings about."""
    found: list[type[e.VaultError]] = [e.InvalidInputError]  # unknown query parameters
    if route.who.refusal is not None:
        found.append(route.who.refusal)
    if route.has_body:
        found += [e.MalformedJsonError, e.BodyTooLargeError, e.UnsupportedMediaTypeError]
    if route.path != "/healthz":
        found.append(e.UnavailableError)
    found += [*route.refuses, e.VaultError]
    return tuple(dict.fromkeys(found))


def openapi_document(routes: Iterable[AnyRoute]) -> bytes:
    """The document as JSON; the same routes give the same bytes."""
    return msgspec.json.format(msgspec.json.encode(describe_api(tuple(routes))), indent=1)


def describe_api(routes: tuple[AnyRoute, ...]) -> Json:
    """The document as a tree."""
    shapes: set[type[msgspec.Struct]] = {Problem}
    for route in routes:
        shapes |= {way.shape for way in route.gives if way.shape is not None}
        if route.has_body:
            shapes.add(route.takes)
    in_order = sorted(shapes, key=lambda shape: shape.__name__)
    _, components = msgspec.json.schema_components(in_order, ref_template=_REF)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    schemes = {
        route.who.scheme: {"type": "http", "scheme": "bearer", "description": route.who.description}
        for route in routes
        if route.who.scheme
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vault_service",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": schemes},
    }


def _operation(route: AnyRoute) -> Json:
    summary, _, rest = (route.handler.__doc__ or "").partition("\n")
    description = " ".join(rest.split())
    operation: Json = {
        "operationId": route.name,
        "tags": [route.path.strip("/").removeprefix("v1/").split("/")[0]],
        "summary": summary.rstrip("."),
        **({"description": description} if description else {}),
        "security": [{route.who.scheme: []}] if route.who.scheme else [],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {**dict(map(_success, route.gives)), **_problems(route)},
    }
    if route.has_body:
        content: Json = {"schema": {"$ref": _REF.format(name=route.takes.__name__)}}
        if route.example:
            content["example"] = msgspec.json.decode(route.example)
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(route.media_types, content)}
    return operation


def _path_parameters(route: AnyRoute) -> list[Json]:
    uuid = {"type": "string", "format": "uuid", "description": "From the answer that made it."}
    names: list[str] = _PARAMETER.findall(route.path)
    return [{"name": name, "in": "path", "required": True, "schema": uuid} for name in names]


def _query_parameters(route: AnyRoute) -> list[Json]:
    if route.method != "GET":
        return []
    _, components = msgspec.json.schema_components([route.takes], ref_template=_REF)
    schema = components[route.takes.__name__]
    required: list[str] = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(each)}
        for name, each in schema["properties"].items()
    ]


def _without_null(schema: Json) -> Json:
    """A query parameter is left out or is there; it is never null."""
    options = [option for option in schema.get("anyOf", []) if option != {"type": "null"}]
    if len(options) != 1:
        return schema
    return {**{k: v for k, v in schema.items() if k not in {"anyOf", "default"}}, **options[0]}


def _header_parameters(route: AnyRoute) -> list[Json]:
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
        for name in route.headers
        for text, schema in [_REQUEST_HEADERS[name]]
    ]


def _headers(names: Iterable[str]) -> Json:
    return {
        name: {"description": _ANSWER_HEADERS[name], "schema": {"type": "string"}}
        for name in (*names, "X-Request-Id")
    }


def _success(way: Gives) -> tuple[str, Json]:
    answer: Json = {"description": way.description, "headers": _headers(way.headers)}
    if way.shape is not None:
        answer["content"] = {way.media_type: {"schema": {"$ref": _REF.format(name=way.shape.__name__)}}}
    elif way.status == HTTPStatus.OK:
        answer["content"] = {way.media_type: {"schema": {"type": "string"}}}
    return str(int(way.status)), answer


def _problems(route: AnyRoute) -> Json:
    by_status: dict[HTTPStatus, list[type[e.VaultError]]] = {}
    for kind in refusals(route):
        by_status.setdefault(status_of(kind), []).append(kind)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name=Problem.__name__)}}}
    answers: Json = {}
    for status, kinds in sorted(by_status.items()):
        extra: tuple[str, ...] = ()
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            extra = ("Retry-After",)
        elif status is HTTPStatus.UNAUTHORIZED:
            extra = ("WWW-Authenticate",)
        said = "; ".join(f"`{kind.code}`: {title_of(kind)}" for kind in kinds)
        answers[str(int(status))] = {"description": said, "headers": _headers(extra), "content": content}
    return answers
