"""Messages between a ceremony and its children, over pipes: four bytes of length, then MessagePack."""

import os
import select
import time
from typing import TypeVar

import msgspec

_T = TypeVar("_T")
_LENGTH = 4
_LONGEST = 64 * 1024 * 1024


class PipeClosedError(Exception):
    """The other end is gone, or says nothing any more."""


def send(descriptor: int, message: msgspec.Struct) -> None:
    """Raises PipeClosedError."""
    body = msgspec.msgpack.encode(message)
    left = memoryview(len(body).to_bytes(_LENGTH, "big") + body)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError:
            raise PipeClosedError from None


def receive(descriptor: int, decoder: msgspec.msgpack.Decoder[_T], *, within_s: float | None = None) -> _T:
    """One message. Raises PipeClosedError: also when it does not come in time, or is none."""
    deadline = None if within_s is None else time.monotonic() + within_s
    length = int.from_bytes(_read(descriptor, _LENGTH, deadline), "big")
    if length > _LONGEST:
        raise PipeClosedError
    try:
        return decoder.decode(_read(descriptor, length, deadline))
    except msgspec.DecodeError:
        raise PipeClosedError from None


def _read(descriptor: int, length: int, deadline: float | None) -> bytes:
    read = bytearray()
    while len(read) < length:
        if deadline is not None:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([descriptor], [], [], left)[0]:
                raise PipeClosedError
        try:
            part = os.read(descriptor, length - len(read))
        except OSError:
            raise PipeClosedError from None
        if not part:
            raise PipeClosedError
        read += part
    return bytes(read)
