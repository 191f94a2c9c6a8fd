"""A log as its worker keeps it: leaves, proofs, and its tiles in a real database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.rig.postgres import TestDatabase
from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.logs import LogName
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import CheckpointSigned, LogHead, LogHeadIs, SignCheckpoint
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.tlog import tiles
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.cosignature import cosign
from vault_service.tlog.merkle import leaf_hash
from vault_service.tlog.note import COSIGNATURE, VerifierKey, format_note, parse_note
from vault_service.tlog.tiles import TileId


@dataclass
class Log:
    """Grown leaf by leaf; `copy` makes the other prong of a fork."""

    size: int = 0
    tiles: dict[TileId, bytes] = field(default_factory=dict)

    def copy(self) -> "Log":
        return Log(self.size, dict(self.tiles))

    def grow(self, *leaves: str) -> "Log":
        hashes = [leaf_hash(leaf.encode()) for leaf in leaves]
        self.size, changed = tiles.appended(self._read, self.size, hashes)
        self.tiles.update(changed)
        return self

    def grow_to(self, size: int, what: str = "leaf") -> "Log":
        return self.grow(*(f"{what} {index}" for index in range(self.size, size)))

    def root(self, size: int | None = None) -> bytes:
        return tiles.root(self._read, self.size if size is None else size)

    def proof(self, old: int) -> tuple[bytes, ...]:
        return tuple(tiles.consistency_proof(self._read, old, self.size))

    def asking(self, old: int, log: LogName = "keys") -> SignCheckpoint:
        """What its worker sends."""
        return SignCheckpoint(log, self.size, self.root(), old, self.proof(old))

    def store(self, database: TestDatabase) -> None:
        """As a superuser: over whatever stands there, also over a larger tree."""
        with database.superuser() as conn:
            conn.execute("ALTER TABLE audit_tiles DISABLE TRIGGER ALL")
            conn.execute("DELETE FROM audit_tiles")
            for tile, hashes in self.tiles.items():
                conn.execute("INSERT INTO audit_tiles VALUES (%s, %s, %s)", (tile.level, tile.index, hashes))
            conn.execute("UPDATE audit_tree SET size = %s", (self.size,))

    def _read(self, wanted: Sequence[TileId]) -> Mapping[TileId, bytes]:
        return {tile: self.tiles[tile] for tile in wanted if tile in self.tiles}


@dataclass
class Cosigner:
    """A witness that cosigns whatever it is shown."""

    name: str
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.name, COSIGNATURE, self.key.public_key().public_bytes_raw())

    def cosign(self, note: str, at: int = 1_764_235_243) -> str:
        signed = parse_note(note)
        return format_note(signed.signed_also([cosign(self.key, self.name, signed.text, at)]))


def as_caller(vault: Vault, caller: str) -> KmsClient:
    return kms_client(KmsClientSettings(url=vault.socket(caller)))


def ask(vault: Vault, request: SignCheckpoint) -> str:
    """As that side's worker, or whoever has its socket."""
    client = as_caller(vault, f"worker_{request.log}")
    try:
        return client.call(request, CheckpointSigned).note
    finally:
        client.close()


def sign(vault: Vault, log: Log, old: int) -> str:
    """As the keys side's worker does: what is to be signed is stored before."""
    log.store(vault.keys)
    return ask(vault, log.asking(old))


def last_head(vault: Vault, name: LogName = "keys") -> LogHeadIs:
    client = as_caller(vault, "operator")
    try:
        return client.call(LogHead(name), LogHeadIs)
    finally:
        client.close()


def forget(vault: Vault) -> None:
    """So that the next test begins with an empty log. (Whoever can do this holds host and database.)"""
    (vault.home / "state" / "kms" / "signed-heads").unlink(missing_ok=True)
    with vault.keys.superuser() as conn:
        conn.execute("DELETE FROM signed_heads")
    Log().store(vault.keys)


def said_by(note: str) -> Checkpoint:
    return parse_checkpoint(parse_note(note).text)
