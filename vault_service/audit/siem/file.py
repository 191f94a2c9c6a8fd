"""A file that gets a line for each event (JSON Lines), for a collector on the same host.

Lines are appended and brought to disk before they count as taken. The file may be moved away at any
time (logrotate's create mode, not copytruncate, which loses what comes between its copy and its cut).
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.audit.siem.receiver import ReceiverUnavailableError
from vault_service.durable import sync

# No link, so that nobody who may write in the folder leads the worker to a file of its own; without
# O_NONBLOCK a named pipe in its place would hold up the thread for good.
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE = 0o640  # the collector reads as the file's group
_TRIES = 3  # in a row that the file was moved away under


class FileReceiver:
    """Appends to one file."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._descriptor: int | None = None

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        """Append them. Raises ReceiverUnavailableError: no folder, no right, no room."""
        data = b"".join(event.json + b"\n" for event in events)
        try:
            for _ in range(_TRIES):
                descriptor = self._open()
                _append(descriptor, data)
                # Moved away in the meantime it may have been compressed before these lines came: once more.
                if self._is_current(descriptor):
                    return
        except OSError as error:
            self.close()
            raise ReceiverUnavailableError(f"{self._path}: {error.strerror}") from None
        raise ReceiverUnavailableError(f"{self._path} is moved away again and again")

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is not None and self._is_current(self._descriptor):
            return self._descriptor
        self.close()
        is_new = not self._path.exists()
        descriptor = os.open(self._path, _FLAGS, _MODE)
        self._descriptor = descriptor
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            self.close()
            raise ReceiverUnavailableError(f"{self._path} is no regular file")
        if is_new:
            sync(self._path.parent)
        return descriptor

    def _is_current(self, descriptor: int) -> bool:
        try:
            there = self._path.lstat()
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _append(descriptor: int, data: bytes) -> None:
    """A line that a full disk or a crash cut off is ended first: it comes again, whole."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        data = b"\n" + data
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
