"""Checkpoints kept outside the database, append-only: a restored backup is noticed by them.

One file a month in the worker's state_dir, a JSON string (the note) a line. A torn last line is one
whose checkpoint counted nowhere yet: it is written before the database has it.
"""

import fcntl
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from vault_service.audit.errors import CheckpointFileError
from vault_service.durable import cut_torn_line, sync

_PREFIX = "checkpoints-"
_TAIL = 1 << 20  # bytes: a note has at most 64 KiB


class CheckpointFile:
    """One side's. Raises CheckpointFileError for whatever the file system answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest(self) -> str | None:
        """The note appended last."""
        files = self._files()
        for path in reversed(files):
            with self._open(path) as file:
                lines = _last_bytes(file).splitlines()
            if lines:
                return self._note(path, lines[-1])
        return None

    def append(self, note: str, at: datetime) -> None:
        """Add a note; it is on the disk when this returns."""
        files = self._files()
        name = f"{_PREFIX}{at:%Y-%m}"
        # A clock that was set back must not put the newest checkpoint into an older file.
        path = max(self._folder / name, *files[-1:]) if files else self._folder / name
        is_new = not path.exists()
        with self._open(path) as file:
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(note).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            self._sync_folder()

    def _files(self) -> list[Path]:
        try:
            return sorted(path for path in self._folder.iterdir() if path.name.startswith(_PREFIX))
        except OSError as error:
            raise CheckpointFileError(f"{self._folder}: {error.strerror}") from error

    @contextmanager
    def _open(self, path: Path) -> Generator[BinaryIO]:
        """Locked, and without the torn end that a crash may have left."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                cut_torn_line(file, _TAIL)
                yield file
        except OSError as error:
            raise CheckpointFileError(f"{path}: {error.strerror}") from error

    def _note(self, path: Path, line: bytes) -> str:
        try:
            note: object = json.loads(line)
        except ValueError as error:
            raise CheckpointFileError(f"{path}: the last line is no JSON string") from error
        if not isinstance(note, str):
            raise CheckpointFileError(f"{path}: the last line is no JSON string")
        return note

    def _sync_folder(self) -> None:
        """A new file's name is in its folder only once the folder is on the disk."""
        try:
            sync(self._folder)
        except OSError as error:
            raise CheckpointFileError(f"{self._folder}: {error.strerror}") from error


def _last_bytes(file: BinaryIO) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    return file.read()
