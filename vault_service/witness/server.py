"""A witness's ways in: add-checkpoint (C2SP tlog-witness) over Unix sockets, TLS, or clear text on loopback.

The protocol knows no callers: what counts is who signed the checkpoint. Still a stranger must not
hold up the log: each request has a deadline, and TLS is negotiated in the thread that serves it.
"""

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import structlog
from cheroot.server import HTTPConnection, HTTPRequest

from vault_service.domain.errors import ConfigurationError
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
from vault_service.logs import describe
from vault_service.tlog.add_checkpoint import SIZE_TYPE, format_cosignatures, format_cosigned_size
from vault_service.witness.errors import (
    CheckpointUnsignedError,
    HeadInconsistentError,
    OriginUnknownError,
    SizeConflictError,
    SubmissionMalformedError,
    SubmissionRefusedError,
)
from vault_service.witness.state import WitnessStateError
from vault_service.witness.witness import Witness

_log = structlog.get_logger("witness")

MAX_BODY = 64 * 1024  # bytes; 63 hashes and 64 signatures make some 20 KiB
_REQUEST_TIMEOUT_S = 5  # from a request's first byte to its answer's last, TLS included
_LOOK_UP_S = 0.1  # how soon the accepting thread sees that it shall stop
_THREADS = 16
_TEXT = "text/plain; charset=utf-8"

_STATUS: dict[type[SubmissionRefusedError], HTTPStatus] = {
    SubmissionMalformedError: HTTPStatus.BAD_REQUEST,
    CheckpointUnsignedError: HTTPStatus.FORBIDDEN,
    OriginUnknownError: HTTPStatus.NOT_FOUND,
    SizeConflictError: HTTPStatus.CONFLICT,
    HeadInconsistentError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
"""The statuses of C2SP tlog-witness; a class that is not listed has its nearest ancestor's."""


@dataclass(frozen=True, slots=True)
class UnixListener:
    """A socket for these users of the host (SO_PEERCRED)."""

    path: Path
    peer_uids: frozenset[int]


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What the witness shows; with an authority, clients must show a certificate of it."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class TcpListener:
    """A port with TLS 1.3, or in clear text on loopback, where a proxy stands before it."""

    host: str
    port: int
    tls: ServerTls | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError for clear text that leaves the host."""
        if self.tls is None and not _is_loopback(self.host):
            raise ConfigurationError(
                f"a witness on {self.host} needs TLS", remedy="Name a certificate and its key, or 127.0.0.1."
            )


Listener = UnixListener | TcpListener


def create_app(witness: Witness) -> Wsgi:
    """The WSGI application."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "POST", "/add-checkpoint":
                status, content_type, body = _add_checkpoint(witness, environ)
            case "GET", "/healthz":
                status, content_type, body = _health(witness)
            case _:
                status, content_type, body = HTTPStatus.NOT_FOUND, _TEXT, "nothing is here\n"
        return _answered(start_response, status, content_type, body)

    return answer


_Answer = tuple[HTTPStatus, str, str]


def _add_checkpoint(witness: Witness, environ: Environ) -> _Answer:
    length = str(environ.get("CONTENT_LENGTH") or "")
    if not (length.isascii() and length.isdigit()):  # nor in chunks: how much comes is known beforehand
        return HTTPStatus.BAD_REQUEST, _TEXT, "send a Content-Length\n"
    body = environ["wsgi.input"].read(int(length))
    if len(body) != int(length):
        return HTTPStatus.BAD_REQUEST, _TEXT, "the body is shorter than its Content-Length\n"
    try:
        return HTTPStatus.OK, _TEXT, format_cosignatures([witness.add_checkpoint(body)])
    except SizeConflictError as error:
        return HTTPStatus.CONFLICT, SIZE_TYPE, format_cosigned_size(error.size)
    except SubmissionRefusedError as error:
        return _status_of(error), _TEXT, f"{error.detail}\n"
    except WitnessStateError as error:
        _log.error("witness.state_not_saved", code=error.code)
        return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{error.detail}\n"
    except Exception as error:  # noqa: BLE001  # one bad request must not end the thread, nor quote a thing
        _log.error("witness.failed", **describe(error))
        return HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, "the witness failed\n"


def _status_of(error: SubmissionRefusedError) -> HTTPStatus:
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def _health(witness: Witness) -> _Answer:
    if witness.is_able:
        return HTTPStatus.OK, _TEXT, "ok\n"
    return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{WitnessStateError.remedy}\n"


def _answered(
    start_response: StartResponse, status: HTTPStatus, content_type: str, text: str
) -> Iterable[bytes]:
    body = text.encode()
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


def _for_peers(app: Wsgi, peer_uids: frozenset[int]) -> Wsgi:
    def identified(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        uid = peer_uid(environ)
        if uid not in peer_uids:
            text = f"user id {uid} may not use this socket\n"
            return _answered(start_response, HTTPStatus.FORBIDDEN, _TEXT, text)
        return app(environ, start_response)

    return identified


class WitnessServer:
    """All listeners of one witness."""

    def __init__(
        self,
        witness: Witness,
        listeners: Iterable[Listener],
        *,
        request_timeout_s: int = _REQUEST_TIMEOUT_S,
    ) -> None:
        app = create_app(witness)
        self._servers = [_server(app, listener, request_timeout_s) for listener in listeners]
        if not self._servers:
            raise ConfigurationError("the witness has no listener", remedy="Say where it shall listen.")

    def start(self) -> None:
        """Bind all listeners, then serve each in threads until `stop`. Raises ConfigurationError."""
        try:
            start_all(self._servers)
        except OSError as error:
            self.stop()
            raise ConfigurationError(
                f"the witness cannot listen ({error.strerror or error})", remedy="Name another address."
            ) from error

    def stop(self) -> None:
        """Stop accepting; requests that are under way are answered."""
        stop_all(self._servers)


class _LateTls(Tls13):
    """Leaves the handshake to the thread that serves: a silent stranger must not hold the accepting one."""

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, Environ]:
        """The socket, its handshake not yet begun."""
        wrapped = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}


class _Request(HTTPRequest):
    def simple_response(self, status: str, msg: str = "") -> None:
        """What cheroot refuses by itself; a body that is too large is a bad request here."""
        if status.startswith("413"):
            self.close_connection = True
            status = "400 Bad Request"
        super().simple_response(status, msg)  # pyright: ignore[reportUnknownMemberType]  # cheroot's


class _Connection(HTTPConnection):
    """One with a deadline for each request as a whole: cheroot's own counts from byte to byte."""

    RequestHandlerClass = _Request
    _is_new = True

    def communicate(self) -> bool:
        """Answer one request; false when the connection is to be closed."""
        deadline = threading.Timer(self.server.timeout, self._give_up)
        deadline.daemon = True
        deadline.start()
        try:
            if self._is_new and isinstance(self.socket, ssl.SSLSocket):
                self.socket.do_handshake()
            self._is_new = False
            return bool(super().communicate())  # type: ignore[no-untyped-call]  # cheroot's
        except OSError:  # a peer that went, or that did not speak TLS: nothing to answer
            return False
        finally:
            deadline.cancel()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)  # an SSLSocket's own is not for two threads


def _server(app: Wsgi, listener: Listener, timeout_s: int) -> QuietServer:
    if isinstance(listener, UnixListener):
        bind: str | tuple[str, int] = socket_path(listener.path)
        app = _for_peers(app, listener.peer_uids)
    else:
        bind = (listener.host, listener.port)
    server = QuietServer(
        bind, app, numthreads=_THREADS, timeout=timeout_s, request_queue_size=BACKLOG, peercreds_enabled=True,
        shutdown_timeout=timeout_s + 1,  # a request that is under way has until its deadline
    )  # fmt: skip
    if isinstance(listener, TcpListener) and listener.tls is not None:
        server.ssl_adapter = _LateTls(listener.tls.certificate, listener.tls.key, listener.tls.client_ca)
    server.expiration_interval = _LOOK_UP_S
    server.ConnectionClass = _Connection
    server.max_request_body_size = MAX_BODY
    server.max_request_header_size = MAX_HEADERS
    return server


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
