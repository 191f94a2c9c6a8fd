"""The heads that were signed, remembered outside the database: a restored backup must not go unnoticed.

An append-only file, a head a line, brought to disk before the signature over it leaves the process. A
torn last line is a head whose signature never left. When the file has grown large, the last heads of
each generation begin a new one, and the old one is kept beside it until the next time.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta

from vault_service.domain.audit_errors import HeadsUnreadableError
from vault_service.domain.errors import UnavailableError
from vault_service.domain.logs import LogName, key_name
from vault_service.durable import append_line, sync
from vault_service.kms.kept.head import Head
from vault_service.tlog.errors import NoteError

MAX_BYTES = 1024 * 1024  # some twenty minutes of two busy logs; read whole at start
_TAIL_BYTES = 128 * 1024  # more than a line has
_TURN_S = 1.5  # for another process that is signing
_TURN_STEP_S = 0.02

Heads = Mapping[int, Head]  # by generation


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    log: LogName
    generation: Annotated[int, Meta(ge=1)]
    size: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    root: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    note: str | None


class HeadFile:
    """One file a state folder; thread-safe."""

    def __init__(self, state_dir: Path, fingerprint: str) -> None:
        self._path = state_dir / "signed-heads"
        self._lock_path = state_dir / "signed-heads.lock"
        self._fingerprint = fingerprint
        self._cache = threading.Lock()  # held for no other process
        self._read_as: tuple[int, ...] | None = None
        self._heads: dict[LogName, dict[int, Head]] = {}

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Keep other processes on this host out; one started by mistake must not sign a fork.

        Raises UnavailableError.
        """
        try:
            descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unavailable(error) from error
        try:
            deadline = time.monotonic() + _TURN_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise UnavailableError("the memory of signed heads (another process)") from None
                    time.sleep(_TURN_STEP_S)
            yield
        finally:
            os.close(descriptor)

    def heads(self, log: LogName) -> Heads:
        """The last head of each generation. Raises HeadsUnreadableError, UnavailableError."""
        with self._cache:
            self._refresh()
            return MappingProxyType(dict(self._heads.get(log, {})))

    def append(self, log: LogName, head: Head) -> None:
        """Remember a head; it is on disk when this returns. The file must be locked.

        Raises HeadsUnreadableError, UnavailableError.
        """
        with self._cache:
            self._refresh()
            if self._heads.get(log, {}).get(head.generation) != head:
                self._append(log, head)

    def _append(self, log: LogName, head: Head) -> None:
        try:
            written = append_line(self._path, _encode(log, head), _TAIL_BYTES)
        except OSError as error:
            raise _unavailable(error) from error
        self._heads.setdefault(log, {})[head.generation] = head
        self._read_as = _seen(written)
        if written.st_size > MAX_BYTES:
            self._begin_anew()

    def _refresh(self) -> None:
        """Read the file again when it is not as it was read last: another process may have signed."""
        try:
            seen = _seen(self._path.stat())
            if seen == self._read_as:
                return
            content = self._path.read_bytes()
        except FileNotFoundError:
            self._heads, self._read_as = {}, None
            return
        except OSError as error:
            raise _unavailable(error) from error
        self._read_as = None
        self._heads = self._parse(content)
        self._read_as = seen

    def _parse(self, content: bytes) -> dict[LogName, dict[int, Head]]:
        found: dict[LogName, dict[int, Head]] = {}
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                log, head = self._decode(line)
                of_log = found.setdefault(log, {})
                before = of_log.get(head.generation)
                if before is not None and _contradict(before, head):
                    raise NoteError("it contradicts an earlier line")
            except (msgspec.DecodeError, UnicodeDecodeError, NoteError) as error:
                raise HeadsUnreadableError(f"line {number} of {self._path}: {_reason(error)}") from error
            of_log[head.generation] = head
        return found

    def _decode(self, line: bytes) -> tuple[LogName, Head]:
        read = msgspec.json.decode(line, type=_Line)
        head = Head(read.generation, read.size, bytes.fromhex(read.root), read.note)
        if read.note is not None:
            name = key_name(self._fingerprint, read.log)
            if Head.of_note(name, read.generation, read.note) != head:
                raise NoteError("its note says something else")
        return read.log, head

    def _begin_anew(self) -> None:
        """At each instant the file's name leads to a whole file."""
        beside = self._path.with_name("signed-heads.new")
        kept = self._path.with_name("signed-heads.old")
        try:
            with beside.open("wb") as file:
                for log, heads in self._heads.items():
                    file.writelines(_encode(log, head) for _, head in sorted(heads.items()))
                file.flush()
                os.fsync(file.fileno())
            kept.unlink(missing_ok=True)
            os.link(self._path, kept)
            beside.replace(self._path)
            sync(self._path.parent)
        except OSError as error:
            raise _unavailable(error) from error


def _seen(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _contradict(before: Head, after: Head) -> bool:
    """Lines only go on; a head that is signed again is the same one.

    Until a generation has a signed head, another database may be accepted in the place of the first.
    """
    if before.note is None and after.note is None:
        return False
    return after.size < before.size or (after.size == before.size and after.root != before.root)


def _encode(log: LogName, head: Head) -> bytes:
    line = _Line(log, head.generation, head.size, head.root.hex(), head.note)
    return msgspec.json.encode(line) + b"\n"


def _reason(error: Exception) -> str:
    return error.detail if isinstance(error, NoteError) else "it is not what this service writes"


def _unavailable(error: OSError) -> UnavailableError:
    return UnavailableError(f"the key service's state folder ({error.strerror})")
