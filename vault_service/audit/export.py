"""Export both logs for somebody who trusts neither the vault nor its operators.

The records log's newest head is taken first, the keys log's after it: so every session that the one shows
has its unlock in the other. What the databases hold is written down as it is; what is wrong with it is
for the verifier to say.
"""

import json
from dataclasses import dataclass

from vault_service.audit.export_folder import KEY_FILE, ExportFolder, ExportRefusedError
from vault_service.audit.export_source import (
    HOLE,
    ORDER,
    PATIENCE_S,
    LogSource,
    Vault,
    Watcher,
    fresh_head,
    held_heads,
    json_line,
    keys_of,
)
from vault_service.audit.line_file import Lines
from vault_service.domain.logs import LogName
from vault_service.storage.audit.reading import SavedCheckpoint
from vault_service.tlog.merkle import HASH_BYTES, MAX_SIZE
from vault_service.tlog.tiles import WIDTH, TileId, path, widths


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
        held = held_heads(vault)  # before the heads: a head signed later may be larger than what is exported
        heads: list[tuple[LogName, SavedCheckpoint]] = [
            (log, fresh_head(vault.databases[log], log, watcher, patience_s))
            for log in ORDER
            if log in vault.databases
        ]
        leaves: dict[LogName, int] = {}
        for log, head in heads:
            part = _Part(LogSource(log, vault.databases[log], head), folder, watcher)
            leaves[log] = part.write_leaves()
            part.write_checkpoints()
            part.write_tiles()
            folder.write(f"{log}/held.jsonl", b"".join(json_line(note) + b"\n" for note in held[log]))
        total, seen = folder.size(), 0

        def hashed(count: int) -> None:
            nonlocal seen
            seen += count
            watcher.progress("bytes hashed", seen, total)

        return Exported(leaves, folder.finish(hashed))


def _write_keys(vault: Vault, folder: ExportFolder) -> None:
    text = keys_of(vault)
    before = folder.read(KEY_FILE)
    if before is not None and _vault_names(before.decode(errors="replace")) != _vault_names(text):
        raise ExportRefusedError(f"{folder.root} holds the export of another vault")
    folder.write(KEY_FILE, text.encode())


def _vault_names(keys: str) -> set[str]:
    return {line.partition("+")[0] for line in keys.splitlines() if line.startswith("signing ")}


@dataclass(frozen=True, slots=True)
class _Part:
    """One log."""

    source: LogSource
    folder: ExportFolder
    watcher: Watcher

    @property
    def log(self) -> LogName:
        return self.source.log

    @property
    def head(self) -> SavedCheckpoint:
        return self.source.head

    def write_leaves(self) -> int:
        """Returns how many lines there are now."""
        end = self.source.end()
        with self.folder.lines(f"{self.log}/events.jsonl") as lines:
            self._check_last(lines)
            while lines.count < end:
                at = lines.count
                found = self.source.lines(at, end)
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
        rows = dict(self.source.leaves(last, last + 1))
        if lines.count > self.head.size or (rows.get(last) or HOLE) != lines.last:
            raise ExportRefusedError(
                f"line {lines.count} of {self.log}/events.jsonl is not what the database holds now: "
                "it was altered, or an older one was restored",
                remedy="Keep this folder, export into a new one, and verify both.",
            )

    def write_checkpoints(self) -> None:
        with self.folder.lines(f"{self.log}/checkpoints.jsonl") as lines:
            after = self._drop_newest(lines)
            while rows := self.source.checkpoints(after, self.head.size):
                lines.append(json_line(note) for _, note in rows)
                after = rows[-1][0]
            lines.append([json_line(self.head.note)])
        self.folder.write(f"{self.log}/checkpoint", self.head.note.encode())

    def _drop_newest(self, lines: Lines) -> int:
        """Take the last line away: it may have newer cosignatures. Returns the size to go on after."""
        size = _size_in(lines.last)
        saved = self.source.checkpoints(size - 1, size + 1) if size >= 0 else []
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
                for _, hashes in self.source.tiles(last.level, last.index, last.index):
                    self.folder.write(name, hashes[: width * HASH_BYTES])
        self.folder.keep_partial_tiles(self.log, kept)

    def _write_full(self, level: int, count: int) -> None:
        at = 0
        while at < count and self.folder.has(self._name(level, at), WIDTH * HASH_BYTES):
            at += 1
        while at < count:
            rows = self.source.tiles(level, at, count - 1)
            if not rows:
                return
            for index, hashes in rows:
                self.folder.write(self._name(level, index), hashes[: WIDTH * HASH_BYTES])
            at = rows[-1][0] + 1
            self.watcher.progress(f"tiles of the {self.log} log, level {level}", at, count)

    def _name(self, level: int, index: int) -> str:
        return f"{self.log}/{path(TileId(level, index))}"


def _body(note: str) -> str:
    return note.partition("\n\n")[0]


def _size_in(line: bytes) -> int:
    """How many leaves the checkpoint on a line has; -1 when it is none."""
    try:
        size = int(str(json.loads(line)).split("\n")[1])
    except (ValueError, IndexError):
        return -1
    return size if 0 <= size < MAX_SIZE else -1
