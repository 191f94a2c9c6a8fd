"""The memory of what was signed last: a file of this host and a table of the keys database.

Either may have been rolled back, by a restored backup or by somebody who wants a fork signed. So for
each generation of a log the larger head counts, and of one size both must have the same root. A head
is remembered in both before the signature over it leaves this process: whatever a crash leaves, no
second head that contradicts it is signed.
"""

import contextlib
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from vault_service.domain.audit_errors import HeadsDisagreeError
from vault_service.domain.errors import ManifestError, UnavailableError
from vault_service.domain.logs import LogName, key_name
from vault_service.kms.kept.head import NOTHING_SIGNED, Head
from vault_service.kms.kept.head_file import HeadFile, Heads
from vault_service.storage.keys.signed_heads import HeadRow, load_heads, lock_heads, store_head
from vault_service.storage.pool import Conn, Database
from vault_service.tlog.errors import NoteError

_TURN_S = 2.0  # for another thread that is signing


class _NothingToCommit(Exception):  # noqa: N818  # not an error: how a transaction is taken back
    pass


@dataclass
class Turn:
    """The right to sign the next head of one log, which one thread of one process has at a time."""

    conn: Conn  # what is done on it is committed with what is remembered
    log: LogName
    heads: Heads
    _file: HeadFile
    _stored: Heads
    _base: Head | None = None
    changed: bool = field(default=False, init=False)

    @property
    def last(self) -> Head:
        """The last head of the present generation."""
        return newest(self.heads)

    def remember(self, head: Head, now: datetime) -> None:
        """In the file first: if the database does not follow, the larger of the two counts."""
        self._file.append(self.log, head)
        # What was given up before: a restored database may have lost it, and verifiers look for it there.
        for generation, each in self.heads.items():
            if generation < head.generation and self._stored.get(generation) != each:
                self._store(each, now)
        self._store(head, now)

    def give_up(self, now: datetime) -> tuple[Head, ...]:
        """The last head of each generation that was signed; they stay in the database, for verifiers.

        A restored database may be older than any of them.
        """
        signed = tuple(head for _, head in sorted(self.heads.items()) if head.note is not None)
        for head in signed:
            if self._stored.get(head.generation) != head:
                self._store(head, now)
        self.changed = True
        return signed

    def begin_generation(self, size: int, root: bytes) -> Head:
        """The next head must be an append of this tree.

        A generation without a signed head begins elsewhere instead: given up, it would leave nothing by
        which a verifier could tell what it was. The file follows once the transaction is committed: after
        a crash between, the restore is accepted once more.
        """
        last = self.last
        unsigned = last.is_accepted_only and last.generation not in self._stored
        self.changed = True
        self._base = Head(last.generation if unsigned else last.generation + 1, size, root, None)
        return self._base

    def _store(self, head: Head, now: datetime) -> None:
        if head.note is not None:
            store_head(self.conn, self.log, HeadRow(head.generation, head.size, head.note), now)
            self.changed = True

    def committed(self) -> None:
        """Called once the transaction stands."""
        if self._base is not None:
            self._file.append(self.log, self._base)


class HeadKeeper:
    """Thread-safe; one a process."""

    def __init__(self, db: Database, *, fingerprint: str, state_dir: Path) -> None:
        self._db = db
        self._fingerprint = fingerprint
        self._file = HeadFile(state_dir, fingerprint)
        self._lock = threading.Lock()

    def name(self, log: LogName) -> str:
        """What the log's key is called. Raises ManifestError while no fingerprint is pinned."""
        if not self._fingerprint:
            raise ManifestError("no fingerprint is pinned: run vaultctl init, then set manifest_fingerprint")
        return key_name(self._fingerprint, log)

    def last(self, log: LogName) -> Head:
        """The last head of the present generation; its signature is not verified.

        Raises HeadsDisagreeError, HeadsUnreadableError, UnavailableError.
        """
        return newest(self.all(log))

    def all(self, log: LogName) -> Heads:
        """The last head of each generation. Raises as `last` does."""
        with self._db.connection() as conn:
            stored = self._of_rows(log, load_heads(conn, log))
        return _larger(self._file.heads(log), stored)

    @contextlib.contextmanager
    def turn(self, log: LogName, now: datetime) -> Generator[Turn]:
        """Keep every other thread, process and host from signing a head of this log meanwhile.

        Commits what was remembered, and nothing when an exception ends it. Raises as `last` does.
        """
        with self._one_at_a_time(), self._file.locked(), contextlib.suppress(_NothingToCommit):
            with self._db.transaction() as conn:
                stored = self._of_rows(log, lock_heads(conn, log, now))
                turn = Turn(conn, log, _larger(self._file.heads(log), stored), self._file, stored)
                yield turn
                if not turn.changed:
                    raise _NothingToCommit
            turn.committed()

    @contextlib.contextmanager
    def _one_at_a_time(self) -> Generator[None]:
        if not self._lock.acquire(timeout=_TURN_S):
            raise UnavailableError("the memory of signed heads (another call)")
        try:
            yield
        finally:
            self._lock.release()

    def _of_rows(self, log: LogName, rows: Sequence[HeadRow]) -> Heads:
        try:
            heads = {row.generation: Head.of_note(self.name(log), row.generation, row.note) for row in rows}
        except NoteError as error:
            raise HeadsDisagreeError(f"a row of signed_heads is none of the {log} log: {error}") from error
        if any(heads[row.generation].size != row.size for row in rows):
            raise HeadsDisagreeError(f"a row of signed_heads of the {log} log has another size than its note")
        return heads


def newest(heads: Heads) -> Head:
    """The head of the present generation."""
    return heads[max(heads)] if heads else NOTHING_SIGNED


def _larger(one: Heads, other: Heads) -> Heads:
    """Of each generation the larger head. Raises HeadsDisagreeError."""
    found = dict(one)
    for generation, head in other.items():
        mine = found.get(generation)
        if mine is not None and mine.size == head.size and mine.root != head.root:
            raise HeadsDisagreeError(
                f"two heads of {head.size} leaves were remembered as signed, in the database and in the file"
            )
        if mine is None or head.size > mine.size or (head.size == mine.size and mine.note is None):
            found[generation] = head
    return found
