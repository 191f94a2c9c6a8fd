"""What a witness has cosigned last, for each origin: one file, on disk before an answer leaves.

A line is appended and brought to disk for each head; only then does the witness know it. So a crash
at any instruction leaves the old head or the new one, and a last line that it cut off is dropped.
Now and then the lines that count are written to a new file, which takes the old one's name.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.durable import sync

_log = structlog.get_logger("witness")

_SPARE_LINES = 20_000  # superseded lines, of some 500 bytes each, until the file is written anew
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class WitnessStateError(UnavailableError):
    """The witness cannot bring its state to disk, and cosigns nothing that it might forget."""

    code = "witness.state"
    remedy = "Give the disk of the state file space, or replace it; after a failed sync restart the witness."


@dataclass(frozen=True, slots=True)
class Head:
    """A log's head as this witness cosigned it."""

    origin: str
    size: int  # leaves
    root: bytes  # SHA-256
    note: str  # the checkpoint with the log's own signatures and ours
    at: int  # POSIX seconds, as in the cosignature


class _First(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    cosigner: str  # a witness that goes on with another's state would vouch for what it never saw


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["cosigned", "fork"]
    origin: str
    size: int
    root: bytes
    note: str
    at: int


class StateFile:
    """Open for one process at a time (flock). Not for several threads: the witness has a lock."""

    def __init__(self, path: Path, cosigner: str, *, spare_lines: int = _SPARE_LINES) -> None:
        """Open the file, or make it (mode 0600).

        `cosigner` is the witness's own verifier key. Raises ConfigurationError when the file is in
        use, readable by others, another witness's, or damaged elsewhere than at its end.
        """
        self._path, self._cosigner, self._spare = path, cosigner, spare_lines
        self.heads: dict[str, Head] = {}
        self.forks: dict[str, Head] = {}  # the first other head of the same size, signed by the log
        self._broken = False
        self._length = self._lines = 0
        try:
            self._fd = self._open()
        except OSError as error:
            raise ConfigurationError(
                f"state file {path}: {error.strerror}",
                remedy="Name a file in a folder of this process's user.",
            ) from error
        try:
            self._read()
        except BaseException:
            os.close(self._fd)
            raise

    def save(self, head: Head) -> None:
        """From now on this is the origin's head. Raises WitnessStateError; then the old one stands."""
        self._append(_line("cosigned", head))
        self.heads[head.origin] = head
        if self._lines > self._spare + len(self.heads) + len(self.forks):
            try:
                self._write_anew()
            except OSError:  # the longer file is as good; a full disk shows at the next append
                self._lines = 0
                _log.warning("witness.state_not_shortened")

    def save_fork(self, head: Head) -> None:
        """Keep the proof that a log has forked; the first one of an origin, since one suffices."""
        if head.origin not in self.forks:
            self._append(_line("fork", head))
            self.forks[head.origin] = head

    @property
    def is_broken(self) -> bool:
        """Whether what is on disk is not known any more, until the file is opened anew."""
        return self._broken

    def close(self) -> None:
        """Free the file for another process."""
        os.close(self._fd)

    def _open(self) -> int:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
        while True:
            descriptor = os.open(self._path, _FLAGS)
            try:
                self._check_mode(descriptor)
                _lock(descriptor, self._path)
                # Between open and lock its owner may have written it anew: then this is the old one.
                if os.path.samestat(os.fstat(descriptor), os.stat(self._path, follow_symlinks=False)):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _check_mode(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        # Whoever may write to it could take a head back, and have the witness cosign a fork.
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigurationError(
                f"state file {self._path} is no regular file or is open to others",
                remedy=f"chmod 0600 {self._path}",
            )

    def _read(self) -> None:
        with os.fdopen(os.dup(self._fd), "rb") as file:
            file.seek(0)
            content = file.read()
        whole = content.rpartition(b"\n")[0] + b"\n" if b"\n" in content else b""
        if len(whole) < len(content):
            os.ftruncate(self._fd, len(whole))
        lines = whole.splitlines()
        try:
            if lines and msgspec.json.decode(lines[0], type=_First).cosigner != self._cosigner:
                raise ConfigurationError(
                    f"state file {self._path} belongs to another witness's key",
                    remedy="Name the state file that this key was used with.",
                )
            for line in lines[1:]:
                self._take(msgspec.json.decode(line, type=_Line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise damaged(self._path) from error
        self._lines = len(lines)
        self._length = len(whole)
        if not lines:
            self._append(msgspec.json.encode(_First(1, self._cosigner)))
        # What was read may be in memory only, if the process before died between write and sync.
        os.fsync(self._fd)
        self._sync_folder()

    def _take(self, line: _Line) -> None:
        head = Head(line.origin, line.size, line.root, line.note, line.at)
        if line.kind == "fork":
            self.forks.setdefault(line.origin, head)
        else:
            self.heads[line.origin] = head

    def _append(self, line: bytes) -> None:
        if self._broken:
            raise WitnessStateError("the witness's state file")
        line += b"\n"
        try:
            if os.write(self._fd, line) != len(line):
                raise OSError("the disk took only part of a line")
        except OSError as error:
            self._cut_off_again()
            raise WitnessStateError("the witness's state file") from error
        try:
            os.fsync(self._fd)
        except OSError as error:
            # After a failed sync the kernel may call the lost pages clean: nothing can be known until
            # the file is read anew (fsync(2), and what PostgreSQL learned in 2018).
            self._broken = True
            raise WitnessStateError("the witness's state file") from error
        self._length += len(line)
        self._lines += 1

    def _cut_off_again(self) -> None:
        try:
            os.ftruncate(self._fd, self._length)
        except OSError:
            self._broken = True

    def _write_anew(self) -> None:
        name = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            name.unlink()  # a crash left it
        descriptor = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _lock(descriptor, name)  # before it has the name, so that nobody opens it in between
            first = msgspec.json.encode(_First(1, self._cosigner))
            content = b"\n".join([first, *_lines(self.heads.values(), self.forks.values()), b""])
            with os.fdopen(os.dup(descriptor), "ab") as file:
                file.write(content)
            os.fsync(descriptor)
            name.replace(self._path)
        except BaseException:
            os.close(descriptor)
            raise
        old, self._fd = self._fd, descriptor
        os.close(old)
        self._length, self._lines = len(content), 1 + len(self.heads) + len(self.forks)
        try:
            self._sync_folder()
        except OSError:
            self._broken = True  # which of both files a power cut would leave is not known

    def _sync_folder(self) -> None:
        sync(self._path.parent)


def damaged(path: Path) -> ConfigurationError:
    """What is said of a state file that does not hold what a witness wrote."""
    return ConfigurationError(
        f"state file {path} is damaged",
        remedy="Repair its disk, and generate a new key: what this one cosigned is not known.",
    )


def _line(kind: Literal["cosigned", "fork"], head: Head) -> bytes:
    return msgspec.json.encode(_Line(kind, head.origin, head.size, head.root, head.note, head.at))


def _lines(heads: Iterable[Head], forks: Iterable[Head]) -> list[bytes]:
    return [*(_line("cosigned", head) for head in heads), *(_line("fork", head) for head in forks)]


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            f"state file {path} is in use by another witness", remedy="Stop that one: two would cosign forks."
        ) from None
