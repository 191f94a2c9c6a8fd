"""Read what a page is sent strictly: limits before parsing, two media types, the declared members only."""

import hmac
import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
from flask import Request

from vault_service.domain.errors import BodyTooLargeError, InvalidInputError
from vault_service.domain.web_errors import WrongTokenError
from vault_service.web.drain import MORE_TO_COME
from vault_service.web.texts import mark, say
from vault_service.web.view import Taken, View

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_MOST_MEMBERS = 2000


def read_query(takes: type[Taken], request: Request) -> Taken:
    """Raises InvalidInputError."""
    return _convert(_pairs(request.query_string), takes, strict=False)


def read_body(view: View[Any, Any], request: Request, csrf_token: str | None) -> Taken:
    """What the page takes, of a form or a JSON object. `csrf_token`: None where nobody is signed in.

    Raises InvalidInputError, WrongTokenError, BodyTooLargeError.
    """
    if request.mimetype not in {FORM, JSON}:
        raise InvalidInputError("request", f"send {FORM} or {JSON}")
    raw = _raw(view, request)
    is_json = request.mimetype == JSON
    given = _members(raw) if is_json else _pairs(raw)
    token = request.headers.get("X-CSRF-Token", "") if is_json else given.pop("csrf_token", "")
    if csrf_token is not None and not hmac.compare_digest(str(token).encode(), csrf_token.encode()):
        raise WrongTokenError
    return _convert(given, view.takes, strict=is_json)


def _raw(view: View[Any, Any], request: Request) -> bytes:
    """The bytes, never more than the page's limit, however they are framed."""
    announced = request.content_length
    if announced is not None and announced > view.max_body:
        raise BodyTooLargeError
    # One byte more than the limit: werkzeug cuts a chunked body off there without a word, and what is
    # left of it might be a form all the same.
    request.max_content_length = view.max_body + 1
    try:
        raw = request.get_data(cache=False)
    except Exception:  # noqa: BLE001  # each server has errors of its own for a body that is cut off or badly framed
        request.environ.pop(MORE_TO_COME, None)
        raise InvalidInputError("request", "it ended early, or its chunks are malformed") from None
    if len(raw) > view.max_body:
        raise BodyTooLargeError
    if announced is not None and len(raw) < announced:
        raise InvalidInputError("request", "it ended early")
    return raw


def _members(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInputError("request", "no JSON") from None
    if not isinstance(found, dict):
        raise InvalidInputError("request", "a JSON object is needed")
    return cast("dict[str, Any]", found)


def _pairs(encoded: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_MEMBERS
        )
    except ValueError:  # UnicodeDecodeError is one
        raise InvalidInputError("request", "not a form in UTF-8") from None
    return _single(pairs)


def _single(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Members by name; of one that was sent several times (boxes that are ticked), a list."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}


def _convert(given: dict[str, Any], takes: type[Taken], *, strict: bool) -> Taken:
    try:
        return msgspec.convert(given, takes, strict=strict)
    except msgspec.ValidationError as error:
        raise _refused(str(error), takes) from None


def _refused(text: str, takes: type[Taken]) -> InvalidInputError:
    """What msgspec found, in our words and the reader's language, tied to the member that it is about.

    It quotes names and choices that it does not know, and whoever made up a link chose them. On a page of
    ours they would read as ours: "Your vault is closed, call …".
    """
    if "unknown field" in text:
        return InvalidInputError("form", say("It has a member that this page does not take"))
    place = _PLACE.search(text) or _MISSING.search(text)
    part = place[1] if place and place[1] in takes.__struct_fields__ else "form"
    for found, words in _FOUND:
        if match := found.search(text):
            return InvalidInputError(part, say(words, **match.groupdict()))
    return InvalidInputError(part, say("It is not as it has to be"))


_PLACE = re.compile(r" - at `\$\.(\w+)[.\w\[\]]*`\Z")
_MISSING = re.compile(r"missing required field `(\w+)`\Z")
_FOUND = (
    (_MISSING, mark("It is missing")),
    (re.compile(r"`str` of length <= (?P<n>\d+)"), mark("It is longer than %(n)s characters")),
    (re.compile(r"`str` of length >= (?P<n>\d+)"), mark("It is shorter than %(n)s characters")),
    (re.compile(r"`int` >= (?P<n>-?\d+)"), mark("It is less than %(n)s")),
    (re.compile(r"`int` <= (?P<n>-?\d+)"), mark("It is more than %(n)s")),
    (re.compile(r"Expected `int"), mark("It is no number")),
    (re.compile(r"Invalid UUID|Expected `uuid"), mark("It is no id")),
    (re.compile(r"Invalid enum value"), mark("Not one of the choices")),
)
