"""Erased users, remembered outside the database: a restored backup must not bring them back.

?id    is about to be erased; written before the transaction
id     is erased; written after its commit, or later if a crash came between (kms/users/erase.py)

Looked through every minute, beside what people wait for: so what was read is not read again for those that
were only begun, and a user's id stays the text that it is.
"""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.domain.ids import UserId
from vault_service.durable import append_line

_BEGUN = "?"
_LINE_BYTES = 38  # the mark, a UUID and the end of the line, at the most
_LINES = re.compile(rb"(?:\??[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\n)*+")
_BLOCK_BYTES = 262_144  # some thousands of lines


class Tombstones:
    """An append-only file, a user a line."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "erased-users"
        self._lock = threading.Lock()
        self._pending: dict[str, None] = {}  # begun, and not known to be erased
        self._read: tuple[int, int] = (0, 0)  # the file's inode, and as far as it was read for those

    def begin(self, user: UserId) -> None:
        """Remember whom to look for, should this process die right after the commit."""
        self._append(f"{_BEGUN}{user}\n")

    def add(self, user: UserId) -> None:
        """Remember a user whose wraps are destroyed and committed so."""
        self._append(f"{user}\n")

    def chunks(self) -> Iterator[tuple[str, ...]]:
        """The ids of everybody who was erased through this host, so many at a time."""
        for lines in self._chunks(0):
            yield tuple(line for line in lines if not line.startswith(_BEGUN))

    def all(self) -> tuple[UserId, ...]:
        """Everybody who was erased through this host."""
        return tuple(UserId(UUID(user)) for users in self.chunks() for user in users)

    def begun(self) -> tuple[UserId, ...]:
        """Whose erasure was begun, and may or may not have been committed."""
        with self._lock:
            self._read_on()
            return tuple(UserId(UUID(user)) for user in self._pending)

    def _read_on(self) -> None:
        inode, size = self._identity()
        if inode != self._read[0] or size < self._read[1]:  # another file: the host's backup was put back
            self._pending, self._read = {}, (inode, 0)
        try:
            self._read_from(*self._read)
        except ConfigurationError:  # the same, in place
            self._pending = {}
            self._read_from(inode, 0)

    def _read_from(self, inode: int, position: int) -> None:
        for lines in self._chunks(position):
            for line in lines:
                if line.startswith(_BEGUN):
                    self._pending[line.removeprefix(_BEGUN)] = None
                else:
                    self._pending.pop(line, None)
                position += len(line) + 1
        self._read = inode, position

    def _append(self, line: str) -> None:
        try:
            with self._lock:
                append_line(self._path, line.encode("ascii"), _LINE_BYTES)
        except OSError as error:
            raise _unavailable(error) from error

    def _identity(self) -> tuple[int, int]:
        """The file's inode and its size."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return 0, 0
        except OSError as error:
            raise _unavailable(error) from error
        return found.st_ino, found.st_size

    def _chunks(self, position: int) -> Iterator[list[str]]:
        """Whole lines, checked; a torn last one is nobody yet."""
        try:
            with self._path.open("rb") as file:
                file.seek(max(0, position - 1))
                if position and file.read(1) != b"\n":
                    raise self._no_list()
                rest = b""
                while block := file.read(_BLOCK_BYTES):
                    whole, end, rest = (rest + block).rpartition(b"\n")
                    if _LINES.fullmatch(whole + end) is None or len(rest) > _LINE_BYTES:
                        raise self._no_list()
                    if end:
                        yield whole.decode("ascii").split("\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unavailable(error) from error

    def _no_list(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._path} does not hold user ids", remedy="Restore the file from the host's backup."
        )


def _unavailable(error: OSError) -> UnavailableError:
    return UnavailableError(f"the key service's state folder ({error.strerror})")
