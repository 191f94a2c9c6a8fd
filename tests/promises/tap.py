"""A wire to PostgreSQL that somebody listens in on."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig.postgres import TestDatabase

_SOCKET = ".s.PGSQL.5432"


@dataclass
class Tap:
    """Passes everything on in both directions, and keeps what was sent to the server."""

    folder: Path
    server: Path
    _sent: list[bytearray] = field(default_factory=list)

    def sent(self) -> bytes:
        """All of it, connection by connection."""
        return b"\0".join(bytes(each) for each in self._sent)

    @contextlib.contextmanager
    def listening(self) -> "Iterator[Tap]":
        """Until the end of the block; connections end with their clients."""
        self.folder.mkdir(mode=0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.folder / _SOCKET))
            listener.listen(64)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
            yield self

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the block is over
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.server / _SOCKET))
                heard = bytearray()
                self._sent.append(heard)
                for ways in ((client, server, heard), (server, client, None)):
                    threading.Thread(target=_pass_on, args=ways, daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, heard: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            if heard is not None:
                heard += piece
            sink.sendall(piece)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class TappedDatabase(TestDatabase):
    """A database that processes reach by the wire only."""

    tap: Tap

    def dsn(self, role: str) -> str:
        """Without a password."""
        return f"host={self.tap.folder} dbname={self.name} user={role}"


def tapped(database: TestDatabase, tap: Tap) -> TappedDatabase:
    return TappedDatabase(database.server, database.side, database.name, tap)
