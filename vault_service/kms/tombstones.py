"""Erased users, remembered outside the database: a restored backup must not bring them back."""

import os
import threading
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.domain.ids import UserId

_LINE_BYTES = 37  # a UUID and the end of the line


class Tombstones:
    """An append-only file of user ids, one a line."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "erased-users"
        self._lock = threading.Lock()

    def add(self, user: UserId) -> None:
        """Remember a user whose wraps are destroyed and committed so."""
        try:
            with self._lock, self._path.open("a+b") as file:
                _cut_torn_line(file)
                file.write(f"{user}\n".encode("ascii"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UnavailableError(f"the key service's state folder ({error.strerror})") from error

    def all(self) -> tuple[UserId, ...]:
        """Everybody who was erased through this host; a torn last line is nobody yet."""
        try:
            lines = self._path.read_text("ascii").split("\n")[:-1]
            return tuple(UserId(UUID(line)) for line in lines)
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path} does not hold user ids", remedy="Restore the file from the host's backup."
            ) from error


def _cut_torn_line(file: BinaryIO) -> None:
    """What a crash left of a line would make one nonsense word with the next, and the file unreadable."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _LINE_BYTES))
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
