"""A file of lines that is appended to, and goes on after a crash with its whole lines."""

from collections.abc import Iterable
from typing import BinaryIO

_CHUNK = 1 << 20  # bytes


class Lines:
    """A file of lines. What a crash left of a last line is cut off when it is opened."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.count = 0
        self.last = b""  # without its newline
        whole = at = 0
        while chunk := file.read(_CHUNK):
            self.count += chunk.count(b"\n")
            if b"\n" in chunk:
                whole = at + chunk.rindex(b"\n") + 1
            at += len(chunk)
        file.truncate(whole)
        if self.count:
            self._begin_of_last = self._find_begin(whole - 1)
            file.seek(self._begin_of_last)
            self.last = file.read(whole - 1 - self._begin_of_last)
        file.seek(whole)

    def append(self, lines: Iterable[bytes]) -> None:
        """Add lines, given without their newlines."""
        added = [line + b"\n" for line in lines]
        self._file.write(b"".join(added))
        self.count += len(added)

    def drop_last(self) -> None:
        """Take the last line away, right after opening."""
        if self.count:
            self._file.truncate(self._begin_of_last)
            self._file.seek(self._begin_of_last)
            self.count -= 1

    def clear(self) -> None:
        """Begin anew."""
        self._file.truncate(0)
        self._file.seek(0)
        self.count, self.last = 0, b""

    def _find_begin(self, end: int) -> int:
        """Where the line that ends at `end` begins."""
        at = end
        while at > 0:
            step = min(_CHUNK, at)
            self._file.seek(at - step)
            if (found := self._file.read(step).rfind(b"\n")) >= 0:
                return at - step + found + 1
            at -= step
        return 0
