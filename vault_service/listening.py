"""What the WSGI servers inside the vault share: quiet logs, TLS 1.3 only, sockets that know their peer."""

import logging
import os
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from vault_service.domain.errors import ConfigurationError

MAX_HEADERS = 16 * 1024  # bytes; cheroot itself sets no limit
BACKLOG = 128  # connections that wait to be accepted
_MAX_SOCKET_PATH = 100  # bytes; sun_path of unix(7) has 108

_library_log = logging.getLogger("cheroot")

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Wsgi = Callable[[Environ, StartResponse], Iterable[bytes]]


class QuietServer(Server):
    """Its errors go where all logs go, in their form: what it says quotes addresses and exceptions."""

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log that, and where, but not what."""
        _library_log.log(level, msg, exc_info=traceback, stacklevel=2)


class Tls13(BuiltinSSLAdapter):
    """TLS 1.3; with an authority for clients, a client certificate or no connection."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        # pyright: ignore comments here and below: cheroot's own annotations are partial.
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            str(certificate), str(key), None if client_ca is None else str(client_ca)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        self.context = self.tls = context


def socket_path(path: Path) -> str:
    """The path as the server takes it. Raises ConfigurationError when the kernel would cut it off."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise ConfigurationError(f"the socket path {path} is too long", remedy="Use a shorter one.")
    return str(path)


def peer_uid(environ: Environ) -> int:
    """Who is at the other end of a Unix socket (SO_PEERCRED); -1 when the kernel did not say."""
    return int(environ.get("X_REMOTE_UID", -1))


def _address(server: Server) -> str | tuple[str, int]:
    return cast("str | tuple[str, int]", server.bind_addr)  # pyright: ignore[reportUnknownMemberType]


def start_all(servers: Iterable[Server]) -> None:
    """Bind all, then serve each in a thread until its `stop`."""
    servers = tuple(servers)
    for server in servers:
        server.prepare()
        if isinstance(address := _address(server), str):
            # Under a strict umask the socket is closed to other users; who may speak is decided
            # by the peer's user id, and by the folder's mode.
            Path(address).chmod(0o666)
    for server in servers:
        threading.Thread(target=server.serve, daemon=True).start()


def stop_all(servers: Iterable[Server]) -> None:
    """Stop accepting on all; return once what is under way has finished.

    All at once: each takes up to half a second to see it, and a service that is started anew is away
    for as long as they take together.
    """
    stopping = [threading.Thread(target=server.stop, daemon=True) for server in servers]
    for each in stopping:
        each.start()
    for each in stopping:
        each.join()
