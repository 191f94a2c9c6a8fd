"""The same export as one ZIP archive that is made while it is sent: nothing of it is kept on this host.

ZIP, since its sizes may follow each file's content (a tar begins with them, so that a log would have to be
read twice or laid down first), and since every desktop opens it. Whoever unpacks it has the folder that
`vaultctl audit verify` takes. One that breaks off has no directory at its end: no program opens it, and
nobody takes a part for the whole.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from vault_service.audit.export_folder import KEY_FILE, MANIFEST
from vault_service.audit.export_source import (
    ORDER,
    LogSource,
    Vault,
    fresh_head,
    held_heads,
    json_line,
    keys_of,
)
from vault_service.domain.logs import LogName
from vault_service.tlog.merkle import HASH_BYTES, MAX_SIZE
from vault_service.tlog.tiles import WIDTH, TileId, path, widths

FOLDER = "vault-audit"
_COMPRESSION = 1  # the log's lines shrink to a fifth; more effort gains little


@dataclass(slots=True)
class _Warnings:
    """Told in the archive's comment: a file of its own would be none of an export."""

    texts: list[str] = field(default_factory=list[str])

    def progress(self, what: str, done: int, total: int) -> None:
        """The browser shows what has come."""

    def warn(self, text: str) -> None:
        self.texts.append(text)


def stream_export(vault: Vault, patience_s: float) -> Iterator[bytes]:
    """An export as a ZIP archive, in pieces of some 100 KB.

    Raises NoCheckpointError, ManifestError, DatabaseUnavailableError before the first piece; later, the
    archive stays without its end.
    """
    keys, held, warnings = keys_of(vault), held_heads(vault), _Warnings()
    sources = [
        LogSource(log, vault.databases[log], fresh_head(vault.databases[log], log, warnings, patience_s))
        for log in ORDER
        if log in vault.databases
    ]
    return _stream(keys, sources, held, warnings)


def _stream(
    keys: str, sources: list[LogSource], held: dict[LogName, list[str]], warnings: _Warnings
) -> Iterator[bytes]:
    archive = _Archive()
    yield from archive.add(KEY_FILE, [keys.encode()])
    for source in sources:
        log, note = source.log, source.head.note
        yield from archive.add(f"{log}/events.jsonl", _events(source))
        yield from archive.add(f"{log}/checkpoints.jsonl", _checkpoints(source))
        yield from archive.add(f"{log}/checkpoint", [note.encode()])
        yield from archive.add(f"{log}/held.jsonl", [json_line(each) + b"\n" for each in held[log]])
        for name, hashes in _tiles(source):
            yield from archive.add(f"{log}/{name}", [hashes])
    yield from archive.close(" ".join(warnings.texts))


def _events(source: LogSource) -> Iterator[bytes]:
    at, end = 0, source.end()
    while at < end and (lines := source.lines(at, end)):
        yield b"".join(line + b"\n" for line in lines)
        at += len(lines)


def _checkpoints(source: LogSource) -> Iterator[bytes]:
    after = -1
    while rows := source.checkpoints(after, source.head.size):
        yield b"".join(json_line(note) + b"\n" for _, note in rows)
        after = rows[-1][0]
    yield json_line(source.head.note) + b"\n"


def _tiles(source: LogSource) -> Iterator[tuple[str, bytes]]:
    """Path and hashes of each tile of the head's tree that the database has."""
    for last, width in widths(min(max(source.head.size, 0), MAX_SIZE)).items():
        at, full = 0, last.index + (width == WIDTH)
        while at < full and (rows := source.tiles(last.level, at, full - 1)):
            for index, hashes in rows:
                yield path(TileId(last.level, index)), hashes[: WIDTH * HASH_BYTES]
            at = rows[-1][0] + 1
        if width < WIDTH:
            for _, hashes in source.tiles(last.level, last.index, last.index):
                yield path(last, width), hashes[: width * HASH_BYTES]


class _Sent:
    """What the archive has written and nobody has taken yet; no seeking, no telling."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Whoever takes the pieces sends them."""

    def close(self) -> None:
        """The pieces stay."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class _Archive:
    """Files one after the other, and MANIFEST over all of them at the end."""

    def __init__(self) -> None:
        self._sent = _Sent()
        self._zip = zipfile.ZipFile(self._sent, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION)
        self._now = datetime.now(UTC).timetuple()[:6]
        self._digests: list[bytes] = []

    def add(self, name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        info = zipfile.ZipInfo(f"{FOLDER}/{name}", self._now)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
                if piece := self._sent.take():
                    yield piece
        self._digests.append(digest.hexdigest().encode() + b"  " + name.encode() + b"\n")
        yield self._sent.take()

    def close(self, comment: str) -> Iterator[bytes]:
        yield from self.add(MANIFEST, [b"".join(sorted(self._digests))])
        self._zip.comment = comment.encode()
        self._zip.close()
        yield self._sent.take()
