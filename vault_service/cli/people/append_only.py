"""A private file of JSON lines, each on disk before `append` returns."""

import fcntl
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any, Self

from vault_service.domain.errors import ConfigurationError
from vault_service.durable import sync


class NoRoomError(ConfigurationError):
    """A line of an import's own file did not reach the disk."""

    code = "import.no_room"
    remedy = "Make room on its disk, then run the same command again: it does only what is missing."


class AppendOnlyFile:
    """Open for one process at a time; safe to share between its threads."""

    def __init__(self, path: Path) -> None:
        """Make the file, mode 0600, or open it; a last line that a crash cut off is dropped.

        Raises ConfigurationError when it is in use, readable by others, or holds something else.
        """
        self._path = path
        self._lock = threading.Lock()
        try:
            self._fd = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}", remedy="Name another file.") from error
        try:
            self._claim()
            self.entries = self._read()
        except ConfigurationError:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it, which frees it for another process."""
        os.close(self._fd)

    def append(self, entry: dict[str, Any]) -> None:
        """Write one line and wait until it is on disk. Raises NoRoomError; then there is nothing of it."""
        line = json.dumps(entry, ensure_ascii=True).encode() + b"\n"
        with self._lock:
            before = os.fstat(self._fd).st_size
            try:
                if os.write(self._fd, line) != len(line):
                    raise OSError(0, "it took only a part of a line")
                os.fsync(self._fd)
            except OSError as error:
                os.ftruncate(self._fd, before)  # or the next line would be glued to half of this one
                raise NoRoomError(f"{self._path}: {error.strerror}") from error

    def _claim(self) -> None:
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigurationError(
                f"{self._path} is no regular file or can be read by others", remedy=f"chmod 0600 {self._path}"
            )
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"{self._path} is in use by another import",
                remedy="Wait for it to end, or name another file.",
            ) from None

    def _read(self) -> list[dict[str, Any]]:
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            content = file.read()
        whole, _, torn = content.rpartition(b"\n")
        if torn:
            os.ftruncate(self._fd, len(content) - len(torn))
        entries: list[Any]
        try:
            entries = [json.loads(line) for line in whole.splitlines()]
        except ValueError:
            entries = [None]
        if not all(isinstance(entry, dict) for entry in entries):
            raise ConfigurationError(f"{self._path} does not hold JSON lines", remedy="Name another file.")
        # The name itself must outlive a power cut, not only what the file holds.
        sync(self._path.parent)
        return entries
