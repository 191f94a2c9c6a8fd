"""Export both logs for somebody who trusts neither the vault nor its operators.

The records log's newest head is taken first, the keys log's after it: so every session that the one shows
has its unlock in the other. What the databases hold is written down as it is; what is wrong with it is
for the verifier to say.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vault_service.audit.export_folder import KEY_FILE, ExportFolder, ExportRefusedError
from vault_service.audit.key_file import key_file
from vault_service.audit.line_file import Lines
from vault_service.domain.errors import VaultError
from vault_service.domain.logs import LogName
from vault_service.storage.audit import reading
from vault_service.storage.audit.reading import SavedCheckpoint
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.pool import Database
from vault_service.tlog.merkle import HASH_BYTES, MAX_SIZE
from vault_service.tlog.tiles import WIDTH, TileId, path, widths

PATIENCE_S = 15.0
"""How long a fresh head is waited for."""

_POLL_S = 0.1
# A row with an absurd index, put in by hand, must not fill the auditor's disk with holes.
_LARGEST_HOLE = 1_000_000  # leaves
_HOLE = b"null"
_ORDER: tuple[LogName, ...] = ("records", "keys")


class NoCheckpointError(VaultError):
    """The log has no signed and cosigned head yet, so that nothing in it is proven."""

    code = "audit.no_checkpoint"
    remedy = (
        "Start both workers and the key service (vaultctl doctor says what is missing), then export again."
    )


class Watcher(Protocol):
    """Who sees the export going on."""

    def progress(self, what: str, done: int, total: int) -> None:
        """So much of this part is done."""

    def warn(self, text: str) -> None:
        """Something that the auditor should know."""


@dataclass(frozen=True, slots=True)
class Vault:
    """Where the logs are, and who vouches for them."""

    databases: dict[LogName, Database]  # those to export, as the auditor's role
    fingerprint: str  # pinned, 64 hex digits
    cosigners: tuple[str, ...]  # verifier keys
    key_file: str | None = None  # as it is known already, instead of the manifests'


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    leaves: dict[LogName, int]
    files: int


def export_logs(
    vault: Vault, folder: ExportFolder, watcher: Watcher, patience_s: float = PATIENCE_S
) -> Exported:
    """Write an export, or bring it up to date. Raises VaultError; then it can be gone on with.

    Raises NoCheckpointError, ExportRefusedError, ManifestError, DatabaseUnavailableError.
    """
    with folder.begun():
        _write_keys(vault, folder)
        held = _held(vault)  # before the heads: a head signed later may be larger than what is exported
        heads: list[tuple[LogName, SavedCheckpoint]] = [
            (log, _fresh_head(vault.databases[log], log, watcher, patience_s))
            for log in _ORDER
            if log in vault.databases
        ]
        leaves: dict[LogName, int] = {}
        for log, head in heads:
            part = _Part(log, vault.databases[log], head, folder, watcher)
            leaves[log] = part.write_leaves()
            part.write_checkpoints()
            part.write_tiles()
            folder.write(f"{log}/held.jsonl", b"".join(_json(note) + b"\n" for note in held[log]))
        total, seen = folder.size(), 0

        def hashed(count: int) -> None:
            nonlocal seen
            seen += count
            watcher.progress("bytes hashed", seen, total)

        return Exported(leaves, folder.finish(hashed))


def _write_keys(vault: Vault, folder: ExportFolder) -> None:
    text = vault.key_file
    if text is None:
        chain = vault.databases["keys"].run(load_chain)
        text = key_file(chain, fingerprint=vault.fingerprint, cosigners=vault.cosigners)
    before = folder.read(KEY_FILE)
    if before is not None and _vault_names(before.decode(errors="replace")) != _vault_names(text):
        raise ExportRefusedError(f"{folder.root} holds the export of another vault")
    folder.write(KEY_FILE, text.encode())


def _vault_names(keys: str) -> set[str]:
    return {line.partition("+")[0] for line in keys.splitlines() if line.startswith("signing ")}


def _held(vault: Vault) -> dict[LogName, list[str]]:
    """The heads that the key service and the records side's witness remember, by log."""
    held: dict[LogName, list[str]] = {"keys": [], "records": []}
    if (keys := vault.databases.get("keys")) is not None:
        for log, note in keys.run(reading.read_signed_heads):
            held["records" if log == "records" else "keys"].append(note)
    if (records := vault.databases.get("records")) is not None:
        for origin, note in records.run(reading.read_witnessed_heads):
            held["records" if "records" in origin.split("/") else "keys"].append(note)
    return held


def _fresh_head(db: Database, log: LogName, watcher: Watcher, patience_s: float) -> SavedCheckpoint:
    """A head that has everything committed until now, or after some waiting the newest that there is."""
    since = db.run(reading.seal_from_now)
    deadline = time.monotonic() + patience_s
    while True:
        head = db.run(lambda conn: reading.newest_checkpoint(conn, since))
        if head is not None and head.covers:
            return head
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    if head is None:
        raise NoCheckpointError(f"the {log} log has no checkpoint")
    watcher.warn(
        f"The {log} log is not being sealed: its newest checkpoint covers what happened until "
        f"{head.covers_until}. Later events are left out; if more is signed than cosigned, the verifier "
        "will call this log truncated."
    )
    return head


@dataclass(frozen=True, slots=True)
class _Part:
    """One log."""

    log: LogName
    db: Database
    head: SavedCheckpoint
    folder: ExportFolder
    watcher: Watcher

    def write_leaves(self) -> int:
        """Returns how many lines there are now."""
        end = min(self.head.size, self.db.run(reading.leaf_count))
        with self.folder.lines(f"{self.log}/events.jsonl") as lines:
            self._check_last(lines)
            while lines.count < end:
                at = lines.count
                found = list(_with_holes(self._leaves(at, end), at))
                if not found:
                    self.watcher.warn(f"The {self.log} log has no leaf for a long way from index {at} on.")
                    break
                lines.append(found)
                self.watcher.progress(f"events of the {self.log} log", lines.count, end)
            return lines.count

    def _check_last(self, lines: Lines) -> None:
        """An export is only gone on with if the database still says what it said."""
        if lines.count == 0:
            return
        last = lines.count - 1
        rows = dict(self._leaves(last, last + 1))
        if lines.count > self.head.size or (rows.get(last) or _HOLE) != lines.last:
            raise ExportRefusedError(
                f"line {lines.count} of {self.log}/events.jsonl is not what the database holds now: "
                "it was altered, or an older one was restored",
                remedy="Keep this folder, export into a new one, and verify both.",
            )

    def write_checkpoints(self) -> None:
        with self.folder.lines(f"{self.log}/checkpoints.jsonl") as lines:
            after = self._drop_newest(lines)
            while rows := self._checkpoints(after, self.head.size):
                lines.append(_json(note) for _, note in rows)
                after = rows[-1][0]
            lines.append([_json(self.head.note)])
        self.folder.write(f"{self.log}/checkpoint", self.head.note.encode())

    def _drop_newest(self, lines: Lines) -> int:
        """Take the last line away: it may have newer cosignatures. Returns the size to go on after."""
        size = _size_in(lines.last)
        saved = self._checkpoints(size - 1, size + 1) if size >= 0 else []
        if not saved or _body(saved[0][1]) != _body(json.loads(lines.last)):
            lines.clear()
            return -1
        lines.drop_last()
        return size - 1

    def write_tiles(self) -> None:
        kept: list[str] = []
        for last, width in widths(min(max(self.head.size, 0), MAX_SIZE)).items():
            full = last.index + (width == WIDTH)
            self._write_full(last.level, full)
            if width < WIDTH:
                name = f"{self.log}/{path(last, width)}"
                kept.append(name)
                for _, hashes in self._tiles(last.level, last.index, last.index):
                    self.folder.write(name, hashes[: width * HASH_BYTES])
        self.folder.keep_partial_tiles(self.log, kept)

    def _write_full(self, level: int, count: int) -> None:
        at = 0
        while at < count and self.folder.has(self._name(level, at), WIDTH * HASH_BYTES):
            at += 1
        while at < count:
            rows = self._tiles(level, at, count - 1)
            if not rows:
                return
            for index, hashes in rows:
                self.folder.write(self._name(level, index), hashes[: WIDTH * HASH_BYTES])
            at = rows[-1][0] + 1
            self.watcher.progress(f"tiles of the {self.log} log, level {level}", at, count)

    def _leaves(self, first: int, end: int) -> list[tuple[int, bytes | None]]:
        return self.db.run(lambda conn: reading.read_leaves(conn, self.log, first, end))

    def _checkpoints(self, after: int, below: int) -> list[tuple[int, str]]:
        return self.db.run(lambda conn: reading.read_checkpoints(conn, after, below))

    def _tiles(self, level: int, first: int, last: int) -> list[tuple[int, bytes]]:
        return self.db.run(lambda conn: reading.read_tile_row(conn, level, first, last))

    def _name(self, level: int, index: int) -> str:
        return f"{self.log}/{path(TileId(level, index))}"


def _with_holes(rows: Sequence[tuple[int, bytes | None]], at: int) -> Iterator[bytes]:
    """The leaves from `at` on; a hole for each index that is missing, but for a very long way."""
    for index, leaf in rows:
        if index < at:
            continue  # the same index twice
        if index - at > _LARGEST_HOLE:
            return
        yield from (_HOLE for _ in range(index - at))
        yield leaf or _HOLE
        at = index + 1


def _json(note: str) -> bytes:
    return json.dumps(note, ensure_ascii=False).encode()


def _body(note: str) -> str:
    return note.partition("\n\n")[0]


def _size_in(line: bytes) -> int:
    """How many leaves the checkpoint on a line has; -1 when it is none."""
    try:
        size = int(str(json.loads(line)).split("\n")[1])
    except (ValueError, IndexError):
        return -1
    return size if 0 <= size < MAX_SIZE else -1
