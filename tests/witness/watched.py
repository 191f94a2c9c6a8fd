"""A log and a witness for it, with keys of a test's own; the log says whatever a test has it say."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.tlog import naive
from vault_service.tlog.add_checkpoint import AddCheckpoint
from vault_service.tlog.checkpoint import Checkpoint
from vault_service.tlog.keys import ED25519, Signature, VerifierKey
from vault_service.tlog.note import Note, format_note
from vault_service.witness.key import CosigningKey, load_key
from vault_service.witness.server import Listener, UnixListener, WitnessServer
from vault_service.witness.witness import Witness, open_witness

LOG = "vault_service/00112233445566778899aabbccddeeff/keys"
NAME = "witness.example.org/w1"
NOW = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)


@dataclass
class Log:
    """Leaves, and the key that signs them."""

    name: str = LOG
    leaves: list[bytes] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey(self.name, ED25519, self.key.public_key().public_bytes_raw())

    def grow(self, to: int, what: str = "event") -> "Log":
        self.leaves += [f"{what} {i}".encode() for i in range(len(self.leaves), to)]
        return self

    def copy(self, size: int) -> "Log":
        """A second log that says it is the first one."""
        return Log(self.name, self.leaves[:size], self.key)

    def checkpoint(self, size: int | None = None, *, origin: str | None = None) -> Checkpoint:
        size = len(self.leaves) if size is None else size
        return Checkpoint(origin or self.name, size, naive.mth(self._hashes(size)))

    def _hashes(self, size: int) -> list[bytes]:
        return [naive.leaf(each) for each in self.leaves[:size]]

    def sign(self, text: str) -> Signature:
        return Signature(self.vkey.name, self.vkey.key_id, self.key.sign(text.encode()))

    def note(self, size: int | None = None, *, origin: str | None = None) -> Note:
        text = self.checkpoint(size, origin=origin).body()
        return Note(text, (self.sign(text),))

    def proof(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        size = len(self.leaves) if size is None else size
        return tuple(naive.proof(old, self._hashes(size)))

    def request(self, old: int, size: int | None = None, *, origin: str | None = None) -> bytes:
        """What an honest log sends."""
        return AddCheckpoint(old, self.proof(old, size), self.note(size, origin=origin)).format().encode()

    def signed(self, size: int | None = None) -> str:
        return format_note(self.note(size))


@dataclass(frozen=True)
class Place:
    """The files of one witness."""

    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def vkey(self) -> VerifierKey:
        return load_key(self.key).key.verifier()

    def prepare(self) -> "Place":
        CosigningKey.generate(NAME).save(self.key)
        return self

    @contextlib.contextmanager
    def open(self, *logs: Log, clock: Callable[[], datetime] = lambda: NOW) -> Iterator[Witness]:
        witness = open_witness(self.key, self.state, [log.vkey for log in logs], clock=clock)
        try:
            yield witness
        finally:
            witness.close()


@contextlib.contextmanager
def serving(witness: Witness, listeners: Iterable[Listener], *, timeout_s: int = 5) -> Iterator[None]:
    server = WitnessServer(witness, listeners, request_timeout_s=timeout_s)
    server.start()
    try:
        yield
    finally:
        server.stop()


def ours(path: Path) -> UnixListener:
    """A socket for this process's own user."""
    return UnixListener(path, frozenset({os.geteuid()}))


def over(path: Path) -> httpx.Client:
    """A client of a witness's socket."""
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(path)), base_url="http://witness", timeout=20, trust_env=False
    )


def raw(path: Path) -> socket.socket:
    """A connection on which a test says what no client would."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(path))
    return connection
