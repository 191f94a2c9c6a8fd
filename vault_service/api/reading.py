"""Read a request strictly: limits before parsing, one media type, one spelling of JSON, no unknown names."""

import re
from collections.abc import Collection, Iterable
from typing import Annotated, Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from flask import Request

from vault_service.api.route import MAX_BODY, AnyRoute
from vault_service.domain.errors import (
    BodyTooLargeError,
    InvalidInputError,
    MalformedJsonError,
    UnsupportedMediaTypeError,
)
from vault_service.records.strict_json import parse_object
from vault_service.web.drain import MORE_TO_COME

T = TypeVar("T", bound=msgspec.Struct)

_MAX_PARAMETERS = 32
_AT = re.compile(r" - at `(?:key in )?\$?\.?(.*)`$")


def read_asked(route: AnyRoute, request: Request) -> Any:
    """What the route takes, from the query or the body; what it does not take is refused.

    Raises InvalidInputError, MalformedJsonError, BodyTooLargeError, UnsupportedMediaTypeError.
    """
    parameters = _read_query(request.query_string)
    if route.method == "GET":
        return _convert_query(parameters, route.takes)
    _refuse_unknown("query", parameters, ())
    if not route.has_body:
        return route.takes()
    return _decode_body(_read_body(route, request), route)


def may_be_large(route: AnyRoute, request: Request) -> bool:
    """May the body be larger than those of other routes?"""
    announced = request.content_length
    return route.max_body > MAX_BODY and (announced is None or announced > MAX_BODY)


def _refuse_unknown(where: str, names: Iterable[str], known: Collection[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        shown = ", ".join(repr(name[:64]) for name in unknown[:8])
        takes = f"; it takes {', '.join(known)}" if known else ""
        raise InvalidInputError(where, f"{shown} is not known here{takes}")


def _read_query(query: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except UnicodeDecodeError:
        raise InvalidInputError("query", "not percent-encoded UTF-8") from None
    except ValueError:
        raise InvalidInputError("query", f"more than {_MAX_PARAMETERS} parameters") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _convert_query(parameters: dict[str, list[str]], shape: type[T]) -> T:
    repeatable = {field.name for field in msgspec.structs.fields(shape) if _is_list(field.type)}
    _refuse_unknown("query", parameters, shape.__struct_fields__)
    for name, values in parameters.items():
        if len(values) > 1 and name not in repeatable:
            raise InvalidInputError(name, "given more than once")
    plain = {name: values if name in repeatable else values[0] for name, values in parameters.items()}
    try:
        return msgspec.convert(plain, shape, strict=False)
    except msgspec.ValidationError as error:
        raise _explain(error) from None


def _is_list(kind: object) -> bool:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_origin(kind) is tuple


def _read_body(route: AnyRoute, request: Request) -> bytes:
    """The bytes, never more than the route's limit, however they are framed."""
    if request.mimetype not in route.media_types:
        raise UnsupportedMediaTypeError
    if request.mimetype_params.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise MalformedJsonError("body", "its charset is not UTF-8, as JSON's is (RFC 8259, section 8.1)")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # A few bytes of gzip may hold gigabytes.
        raise UnsupportedMediaTypeError("compressed bodies are not accepted")
    announced = request.content_length
    if announced is not None and announced > route.max_body:
        raise BodyTooLargeError(f"body: larger than {route.max_body} bytes")
    # One byte more than the limit, which the parser refuses: werkzeug cuts a chunked body off there
    # without a word, and what is left of it might be JSON all the same.
    request.max_content_length = route.max_body + 1
    try:
        raw = request.get_data(cache=False)
    except Exception:  # noqa: BLE001  # each server has errors of its own for a body that is cut off or badly framed
        request.environ.pop(MORE_TO_COME, None)
        raise InvalidInputError("body", "ended early, or its chunks are malformed") from None
    if announced is not None and len(raw) < announced:
        raise InvalidInputError("body", "ended early")
    return raw


def _decode_body(raw: bytes, route: AnyRoute) -> Any:
    members = parse_object(raw, max_depth=route.max_depth, max_bytes=route.max_body)
    _refuse_unknown("body", members, route.takes.__struct_fields__)
    try:
        return msgspec.json.decode(raw, type=route.takes)
    except msgspec.DecodeError as error:
        raise _explain(error) from None


def _explain(error: msgspec.DecodeError | msgspec.ValidationError) -> InvalidInputError:
    """msgspec's words, which name types and places; values only of enumerations."""
    text = str(error)
    place = _AT.search(text)
    if place is None:
        return InvalidInputError("request", text)
    return InvalidInputError(place.group(1) or "request", text[: place.start()])
