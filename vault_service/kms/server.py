"""The key service's ways in: one WSGI server a listener, each of which knows who is calling.

On a Unix socket the caller is whom the socket is for, and the peer's user id (SO_PEERCRED) must be
one of those allowed. On TCP there is only mutual TLS, and the caller is whom the certificate's
common name stands for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cheroot.makefile import MakeFile  # pyright: ignore[reportUnknownVariableType]
from cheroot.server import HTTPConnection
from cheroot.wsgi import Server
from flask import Flask, Response, request

from vault_service.domain.errors import CallerRefusedError, ConfigurationError
from vault_service.kms import dispatch
from vault_service.kms.protocol.messages import Refusal
from vault_service.kms.service import KeyService
from vault_service.listening import (
    BACKLOG,
    MAX_HEADERS,
    Environ,
    QuietServer,
    StartResponse,
    Tls13,
    Wsgi,
    peer_uid,
    socket_path,
    start_all,
    stop_all,
)

MAX_BODY = 260 * 1024  # bytes; a manifest of 60 officers has 192 KiB, in base64 256
_REQUEST_TIMEOUT_S = 10
_OTHER_THREADS = 4  # for callers that ask seldom


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A socket that belongs to one caller."""

    path: Path
    caller: str
    peer_uids: frozenset[int]


@dataclass(frozen=True, slots=True)
class TlsListener:
    """A TCP port that demands a client certificate."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path
    callers: dict[str, str] = field(default_factory=dict)  # common name -> caller


def create_app(service: KeyService) -> Flask:
    """The WSGI application; `vault.caller` in the environment says who is asking."""
    app = Flask("vault_service.kms", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    @app.post("/v1/<name>")
    def call(name: str) -> Response:  # pyright: ignore[reportUnusedFunction]  # flask keeps it
        caller = request.environ["vault.caller"]
        result = dispatch.answer(service, caller, name, request.get_data(cache=False))
        status = 409 if isinstance(result, Refusal) else 200
        return Response(msgspec.json.encode(result), status, content_type="application/json")

    return app


def _for_unix(app: Wsgi, listener: UnixListener) -> Wsgi:
    def identified(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        uid = peer_uid(environ)
        if uid not in listener.peer_uids:
            return _refuse(start_response, f"user id {uid} may not use this socket")
        environ["vault.caller"] = dispatch.Caller(listener.caller, f"uid {uid}")
        return app(environ, start_response)

    return identified


def _for_tls(app: Wsgi, listener: TlsListener) -> Wsgi:
    def identified(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        name = environ.get("SSL_CLIENT_S_DN_CN", "")
        caller = listener.callers.get(name)
        if environ.get("SSL_CLIENT_VERIFY") != "SUCCESS" or caller is None:
            return _refuse(start_response, "this certificate stands for no caller")
        environ["vault.caller"] = dispatch.Caller(caller, name)
        return app(environ, start_response)

    return identified


def _refuse(start_response: StartResponse, why: str) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Type", "application/json")])
    return [msgspec.json.encode(Refusal(CallerRefusedError.code, why))]


class _Connection(HTTPConnection):
    """One that forgets what it read: callers keep connections open, and the buffer holds a password."""

    def communicate(self) -> bool:
        """Answer one request."""
        kept = bool(super().communicate())  # type: ignore[no-untyped-call]  # cheroot's
        if kept and not self.rfile.has_data():
            self.rfile = MakeFile(self.socket, "rb", self.rbufsize)
        return kept


class KmsServer:
    """All listeners of one key service."""

    def __init__(
        self, service: KeyService, listeners: Iterable[UnixListener | TlsListener], *, threads: int
    ) -> None:
        app: Wsgi = create_app(service).wsgi_app
        self._servers = [_server(app, listener, threads) for listener in listeners]
        if not self._servers:
            raise ConfigurationError("the key service has no listener", remedy="Name one under [kms].")

    def start(self) -> None:
        """Bind all listeners, then serve each in a thread until `stop`."""
        start_all(self._servers)

    def stop(self) -> None:
        """Stop accepting; requests that are under way finish."""
        stop_all(self._servers)


def _server(app: Wsgi, listener: UnixListener | TlsListener, threads: int) -> Server:
    if isinstance(listener, UnixListener):
        server = QuietServer(
            socket_path(listener.path), _for_unix(app, listener), timeout=_REQUEST_TIMEOUT_S,
            numthreads=threads if listener.caller == "api" else _OTHER_THREADS,
            request_queue_size=BACKLOG, peercreds_enabled=True,
        )  # fmt: skip
    else:
        server = QuietServer(
            (listener.host, listener.port), _for_tls(app, listener), numthreads=threads,
            timeout=_REQUEST_TIMEOUT_S, request_queue_size=BACKLOG,
        )  # fmt: skip
        server.ssl_adapter = Tls13(listener.certificate, listener.key, listener.client_ca)
    server.ConnectionClass = _Connection
    server.max_request_body_size = MAX_BODY
    server.max_request_header_size = MAX_HEADERS
    return server
