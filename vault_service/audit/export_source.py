"""What an export is made from: the keys, the heads and the leaves, as the databases hold them."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vault_service.audit.key_file import key_file
from vault_service.domain.errors import VaultError
from vault_service.domain.logs import LogName
from vault_service.storage.audit import reading
from vault_service.storage.audit.reading import SavedCheckpoint
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.pool import Database

PATIENCE_S = 15.0
"""How long a fresh head is waited for."""

_POLL_S = 0.1
# A row with an absurd index, put in by hand, must not fill the auditor's disk with holes.
_LARGEST_HOLE = 1_000_000  # leaves
HOLE = b"null"
ORDER: tuple[LogName, ...] = ("records", "keys")


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


def keys_of(vault: Vault) -> str:
    """audit.vkey. Raises ManifestError."""
    if vault.key_file is not None:
        return vault.key_file
    chain = vault.databases["keys"].run(load_chain)
    return key_file(chain, fingerprint=vault.fingerprint, cosigners=vault.cosigners)


def held_heads(vault: Vault) -> dict[LogName, list[str]]:
    """The heads that the key service and the records side's witness remember, by log."""
    held: dict[LogName, list[str]] = {"keys": [], "records": []}
    if (keys := vault.databases.get("keys")) is not None:
        for log, note in keys.run(reading.read_signed_heads):
            held["records" if log == "records" else "keys"].append(note)
    if (records := vault.databases.get("records")) is not None:
        for origin, note in records.run(reading.read_witnessed_heads):
            held["records" if "records" in origin.split("/") else "keys"].append(note)
    return held


def fresh_head(db: Database, log: LogName, watcher: Watcher, patience_s: float) -> SavedCheckpoint:
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
class LogSource:
    """One log, read in pages."""

    log: LogName
    db: Database
    head: SavedCheckpoint

    def end(self) -> int:
        """How many leaves are to be exported."""
        return min(self.head.size, self.db.run(reading.leaf_count))

    def leaves(self, first: int, end: int) -> list[tuple[int, bytes | None]]:
        """Index and bytes of the next leaves from `first` on, before `end`."""
        return self.db.run(lambda conn: reading.read_leaves(conn, self.log, first, end))

    def lines(self, at: int, end: int) -> list[bytes]:
        """The next lines of events.jsonl; empty where there is no leaf for a very long way."""
        return list(_with_holes(self.leaves(at, end), at))

    def checkpoints(self, after: int, below: int) -> list[tuple[int, str]]:
        """Size and note of the next saved ones."""
        return self.db.run(lambda conn: reading.read_checkpoints(conn, after, below))

    def tiles(self, level: int, first: int, last: int) -> list[tuple[int, bytes]]:
        """Index and hashes of the next of a level."""
        return self.db.run(lambda conn: reading.read_tile_row(conn, level, first, last))


def _with_holes(rows: Sequence[tuple[int, bytes | None]], at: int) -> Iterator[bytes]:
    """The leaves from `at` on; a hole for each index that is missing, but for a very long way."""
    for index, leaf in rows:
        if index < at:
            continue  # the same index twice
        if index - at > _LARGEST_HOLE:
            return
        yield from (HOLE for _ in range(index - at))
        yield leaf or HOLE
        at = index + 1


def json_line(note: str) -> bytes:
    """A note as a line of a file: one JSON string."""
    return json.dumps(note, ensure_ascii=False).encode()
