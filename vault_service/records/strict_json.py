"""JSON with no room for two readings (RFC 8259 as narrowed by I-JSON, RFC 7493).

Lenient parsers disagree about duplicate keys, NaN, huge numbers and half surrogates, and what one
part of a system checks is then not what another part stores. PostgreSQL and canonical JSON refuse
some of these as well, only later and less politely.
"""

import json
import math
import re
from typing import NoReturn, TypeAlias

from vault_service.domain.errors import BodyTooLargeError, MalformedJsonError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

MAX_DEPTH = 32
MAX_BYTES = 1_048_576
MAX_VALUES = 500_000  # two bytes of JSON may be a hundred in memory, and 16 MiB of them gigabytes
MAX_INTEGER = 2**53 - 1  # RFC 7493, section 2.2: what every reader keeps exactly
_TOO_MANY = f"it holds more than {MAX_VALUES} values; send it in several requests"
_LONGEST_NUMBER = 400  # characters; a longer one is an attempt to waste time

# A whole string, also one that never ends, so that the scan stays linear: each quote is looked at once.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ODD_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def parse_object(
    raw: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES, part: str = "body"
) -> dict[str, JsonValue]:
    """Parse one JSON object in UTF-8.

    `part`: what it is of the request, for the errors. Raises MalformedJsonError with the reason (and
    the place, where it is known) for anything that is not exactly one object, and BodyTooLargeError
    above `max_bytes`. No other error escapes, and no error holds anything of the text.
    """
    if len(raw) > max_bytes:
        raise BodyTooLargeError(f"{part}: larger than {max_bytes} bytes")
    try:
        return _parse(raw, max_depth)
    except MalformedJsonError as error:
        raise MalformedJsonError(part, error.problem) from None


def _parse(raw: bytes, max_depth: int) -> dict[str, JsonValue]:
    text = _decode(raw)
    _check_shape(raw, max_depth)
    try:
        value: JsonValue = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}")
    if not isinstance(value, dict):
        _refuse("it is not an object at the top level")
    if _ODD_ESCAPE.search(text):
        _check_strings(value)
    return value


def check_raw(
    raw: bytes, *, max_depth: int = MAX_DEPTH, max_bytes: int = MAX_BYTES, part: str = "body"
) -> None:
    """The same checks for a caller who keeps the bytes, or gives them to a typed decoder."""
    parse_object(raw, max_depth=max_depth, max_bytes=max_bytes, part=part)


def _refuse(reason: str) -> NoReturn:
    raise MalformedJsonError("body", reason) from None


def _decode(raw: bytes) -> str:
    if raw.startswith(_BYTE_ORDER_MARKS):
        _refuse("it begins with a byte order mark; send plain UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"it is not UTF-8 at byte {error.start}")


def _check_shape(raw: bytes, max_depth: int) -> None:
    """Count values, and open brackets, outside strings before the recursive parser sees them."""
    # What is not escaped ends a string or begins one; more of them would take hundreds of megabytes below.
    if raw.count(b'"') - raw.count(b'\\"') > 4 * MAX_VALUES:
        _refuse(_TOO_MANY)
    if _openings(raw) <= max_depth and _openings(raw) + raw.count(b",") <= MAX_VALUES:
        return
    bare = _STRING.sub(b"", raw)
    if _openings(bare) + bare.count(b",") > MAX_VALUES:
        _refuse(_TOO_MANY)
    depth = 0
    for bracket in bare.translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > max_depth:
            _refuse(f"it is nested more than {max_depth} levels deep")


def _openings(raw: bytes) -> int:
    return raw.count(b"[") + raw.count(b"{")


def _object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        _refuse("an object holds the same key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > len(str(-MAX_INTEGER)) or abs(value := int(digits)) > MAX_INTEGER:
        _refuse("an integer is beyond ±(2^53 - 1); send it as a string")
    return value


def _real(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or not math.isfinite(value := float(digits)):
        _refuse("a number is beyond what a double holds; send it as a string")
    return value


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)


def _check_strings(value: JsonValue) -> None:
    """Escapes can smuggle in what UTF-8 and PostgreSQL cannot hold."""
    match value:
        case str():
            if "\0" in value:
                _refuse("a string holds the NUL character")
            if any("\ud800" <= char <= "\udfff" for char in value):
                _refuse("a string holds half a surrogate pair")
        case dict():
            for key, member in value.items():
                _check_strings(key)
                _check_strings(member)
        case list():
            for member in value:
                _check_strings(member)
        case _:
            pass
