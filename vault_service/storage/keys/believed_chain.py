"""The stored chain of manifests, believed: verified from what is pinned on, and never gone behind.

Who can write to the database can show an older chain, in which somebody who was removed is an officer
still. So each host keeps the highest serial that it has seen in a file, outside the database.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from psycopg import Connection

from vault_service.crypto.manifest_chain import SignedManifest, demand_serial, verify_chain
from vault_service.domain.errors import ManifestError, UnavailableError
from vault_service.domain.manifest import Manifest, manifest_hash, parse_manifest
from vault_service.durable import replace_whole
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.pool import Database

_CHAINS = 4  # kept by a process: its vault's, of which none is large; a few more while it changes


@dataclass(frozen=True, slots=True)
class Chain:
    """The newest manifest, and the hashes of all that led to it."""

    newest: Manifest
    hashes: tuple[str, ...]  # of serial 1, 2, …; hex
    bodies: tuple[bytes, ...] = ()  # likewise

    def holds(self, serial: int, digest: str) -> bool:
        """Whether this is the manifest of that serial."""
        return self.hashes[serial - 1 : serial] == (digest,)

    def history(self) -> Iterator[Manifest]:
        """All manifests, the first one first."""
        return map(parse_manifest, self.bodies)


class SerialMemory:
    """The highest serial that this host has seen."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / "manifest-serial"

    def highest(self) -> int:
        """1 before the first. Raises ManifestError for a file that holds something else."""
        try:
            return int(self._file.read_text("ascii"))
        except FileNotFoundError:
            return 1
        except (ValueError, OSError) as error:
            raise ManifestError(f"{self._file} does not hold a serial number") from error

    def remember(self, serial: int) -> None:
        """On disk when this returns. Raises UnavailableError: then nothing may be done in its name."""
        if self._file.exists() and self.highest() >= serial:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_whole(self._file, str(serial).encode("ascii"), by=f".{os.getpid()}")
        except OSError as error:
            raise UnavailableError(f"the folder {self._file.parent} ({error.strerror})") from error


def believe_chain(conn: Connection, *, fingerprint: str, memory: SerialMemory) -> Chain:
    """As this transaction sees it; nothing is remembered yet. Raises ManifestError."""
    if not fingerprint:
        raise ManifestError("no fingerprint is pinned: run vaultctl init, then set manifest_fingerprint")
    chain = _sound(load_chain(conn), bytes.fromhex(fingerprint))
    demand_serial(chain.newest, memory.highest())
    return chain


@lru_cache(maxsize=_CHAINS)
def _sound(links: tuple[SignedManifest, ...], pinned: bytes) -> Chain:
    """Whether a chain is sound depends on its bytes alone: the same ones are not judged again. They are read
    anew each time, and each page of an officer asks, those that are open every few seconds.
    """
    newest = verify_chain(links, pinned=pinned)
    bodies = tuple(link.body for link in links)
    return Chain(newest, tuple(manifest_hash(body).hex() for body in bodies), bodies)


def read_chain(db: Database, *, fingerprint: str, state_dir: Path) -> Chain:
    """Read, verify, and remember the serial. Raises ManifestError, UnavailableError."""
    memory = SerialMemory(state_dir)
    with db.connection() as conn:
        chain = believe_chain(conn, fingerprint=fingerprint, memory=memory)
    memory.remember(chain.newest.serial)
    return chain
