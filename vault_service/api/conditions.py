"""Request headers that make a request conditional or repeatable: ETags and Idempotency-Key."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from vault_service.domain.errors import InvalidInputError, PreconditionFailedError

R = TypeVar("R")

# RFC 9110, section 8.8.3; a version is all that our ETags hold.
_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')
_MAX_TAGS = 8
_NO_VERSION = 0  # versions begin at 1: a condition that nothing meets
_MAX_VERSION = 2**63 - 1


def etag(version: int) -> str:
    """A strong validator: another version is another document, byte for byte."""
    return f'"{version}"'


def _tags(name: str, header: str) -> list[tuple[bool, str]]:
    """(weak?, opaque) of each tag of a list; raises InvalidInputError."""
    found: list[tuple[bool, str]] = []
    position = 0
    while True:
        tag = _TAG.match(header, position)
        if tag is None or len(found) == _MAX_TAGS:
            raise InvalidInputError(name, f'not "*" nor at most {_MAX_TAGS} entity tags such as "3"')
        found.append((tag.group(1) is not None, tag.group(2)))
        position = tag.end()
        if position == len(header):
            return found
        if header[position] != ",":
            raise InvalidInputError(name, "entity tags are separated by commas")
        position += 1


def _version(opaque: str) -> int | None:
    """The version that a tag of ours holds; None for a tag that we never gave."""
    if not opaque.isascii() or not opaque.isdigit() or opaque != opaque.lstrip("0") or len(opaque) > 19:
        return None
    number = int(opaque)
    return number if number <= _MAX_VERSION else None


def versions_asked_for(headers: Mapping[str, str]) -> tuple[int | None, ...]:
    """If-Match as versions to try in turn; (None,) without a condition on the version.

    `*` asks that there is anything, which the use cases demand in any case. Weak tags never match
    (strong comparison: RFC 9110, section 13.1.1). Raises InvalidInputError on a malformed header,
    and on If-None-Match, which no change here can keep.
    """
    if "If-None-Match" in headers:
        raise InvalidInputError("If-None-Match", "a change takes If-Match with the version you read")
    header = headers.get("If-Match")
    if header is None or header.strip() == "*":
        return (None,)
    strong = (_version(opaque) for weak, opaque in _tags("If-Match", header) if not weak)
    return tuple(dict.fromkeys(v for v in strong if v is not None)) or (_NO_VERSION,)


def under_any(versions: tuple[int | None, ...], change: Callable[[int | None], R]) -> R:
    """Make a change on the first version that fits; each try is a compare-and-set of its own.

    Raises PreconditionFailedError when none fits.
    """
    for version in versions[:-1]:
        try:
            return change(version)
        except PreconditionFailedError:
            continue
    return change(versions[-1])


def is_known_already(headers: Mapping[str, str], version: int) -> bool:
    """Does If-None-Match say that the client holds this version? (Weak comparison, section 13.1.2.)"""
    header = headers.get("If-None-Match")
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(opaque == str(version) for _, opaque in _tags("If-None-Match", header))


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The client's name for this request. Raises InvalidInputError unless 1 to 255 visible ASCII."""
    key = headers.get("Idempotency-Key")
    if key is not None and re.fullmatch(r"[\x21-\x7e]{1,255}", key) is None:
        raise InvalidInputError("Idempotency-Key", "not 1 to 255 visible ASCII characters")
    return key
