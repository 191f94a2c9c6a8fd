"""A stream that refuses before it begins, and that says so when it cannot go on."""

from collections.abc import Iterator
from itertools import chain

import msgspec
import structlog

from vault_service.domain.errors import VaultError
from vault_service.logs import describe

_log = structlog.get_logger("api")


def exported(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines, the first of which is fetched here: until then a refusal is an ordinary problem.

    Raises what the use case raises. Later the status is sent already, so that an error becomes a
    last line {"end": false, "code": …}, and the stream lacks the one that says it is whole.
    """
    first = next(lines, b"")
    return _closing(chain((first,), lines), lines)


def _closing(lines: Iterator[bytes], source: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from lines
    except VaultError as error:
        yield _broken_off(error.code)
    except Exception as error:  # noqa: BLE001  # the border of the process; the server would print its message
        _log.error("api.failed", **describe(error))
        yield _broken_off(VaultError.code)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()  # a client that went away must not keep a connection of the database


def _broken_off(code: str) -> bytes:
    return msgspec.json.encode({"end": False, "code": code}) + b"\n"
