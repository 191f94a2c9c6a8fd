"""Read an export: a stream of JSON lines whose last line says that it is whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import httpx
import msgspec

from vault_service.client.answers import Record
from vault_service.client.errors import BrokenRecordsError, IncompleteExportError, UnexpectedAnswerError
from vault_service.client.sending import Call, Sender

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Shape:
    """Just enough of a line to know which kind it is."""

    end: bool | None = None
    records: int = 0
    code: str = ""
    error: str | None = None
    record_id: UUID | None = None


def read_export(sender: Sender, token: str) -> Iterator[Record]:
    """Each record, in bounded memory.

    Raises what `read_lines` raises, and BrokenRecordsError at the end for records that do not open.
    """
    broken: list[UUID] = []
    for line in read_lines(sender, token):
        shape = _decode(line, _Shape)
        if shape.error is not None and shape.record_id is not None:
            broken.append(shape.record_id)
        elif shape.end is None:
            yield _decode(line, Record)
    if broken:
        raise BrokenRecordsError(tuple(broken))


def read_lines(sender: Sender, token: str) -> Iterator[bytes]:
    """The lines as they come, without their LF; the last one, which says so, only if all is whole.

    Raises IncompleteExportError when the connection breaks, when the vault says that it cannot go
    on, or when the last line does not come or counts other than what was received.
    """
    received = 0
    for line in _lines(sender, token):
        shape = _decode(line, _Shape)
        if shape.end is not None:
            _check_end(shape, received)
            yield line
            return
        received += 1
        yield line
    raise IncompleteExportError(received, "the stream ended without its last line")


def _check_end(shape: _Shape, received: int) -> None:
    if not shape.end:
        raise IncompleteExportError(received, f"the vault could not go on ({shape.code})")
    if shape.records != received:
        raise IncompleteExportError(received, f"the vault sent {shape.records}")


def _lines(sender: Sender, token: str) -> Iterator[bytes]:
    """Whole lines as bytes; split at LF only, since text may hold what else ends a line in Unicode."""
    received = 0
    rest = b""
    broken = ""
    with sender.stream(Call("GET", "/v1/me/export", token)) as response:
        chunks = response.iter_bytes()
        while True:
            try:
                chunk = next(chunks, None)
            except httpx.RequestError as error:
                broken = type(error).__name__
                break
            if chunk is None:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            received += len(lines)
            yield from lines
    if broken:
        raise IncompleteExportError(received, f"the connection broke ({broken})")
    if rest:
        raise IncompleteExportError(received, "a line was cut off")


def _decode(line: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(line, type=kind)
    except msgspec.DecodeError as error:
        raise UnexpectedAnswerError(f"a line of the export is none: {error}") from None
