"""Run a web face under gunicorn: one worker process with several threads, started again if it dies.

What a request brought must not outlive it in the worker's memory: root on this host would find
passwords, tokens and data of people who have long signed out. Freed memory is overwritten (see
process.py); this module sees to it that the server frees it.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine
from gunicorn.http.message import Request
from gunicorn.http.parser import Parser
from gunicorn.workers.gthread import TConn, ThreadWorker

from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import new_uuid
from vault_service.settings import private_file
from vault_service.web.arrival import Arrivals
from vault_service.web.listening import UNIX, Face
from vault_service.web.problems import MEDIA_TYPE, problem_of
from vault_service.web.taking import Pace

_HEAD_WITHIN_S = 15.0  # of its first byte, the handshake of TLS included
_WHOLE_WITHIN_S = 60.0  # 16 MiB of a batch at 2 Mbit/s
_TAKEN = Pace(64 * 1024 * 30, 30.0)  # of an answer that waits: 0.5 Mbit/s, over half a minute
_SILENCE_S = 10  # the longest between two pieces of a request, or of an answer
_IDLE_S = 75  # longer than proxies keep an unused connection, so that they end it, not we
_FINISH_WITHIN_S = 10  # requests under way at SIGTERM; the longest wait for the key service's Argon2 included
_CONNECTIONS = 512  # at a time; more wait in the listener's queue
_ADDRESS_BYTES = 8190  # as gunicorn allows at most; a condition of a search may have 4,096 characters
_SOCKET_UMASK = 0o117  # 0660
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds

_log = structlog.get_logger("web")


def serve(face: Face, load: Callable[[], Flask], *, name: str) -> None:
    """Listen, and have a worker process `load` the application; ends with the process.

    `name`: of the face in the log: api.listening.
    """
    _Server(_options(face, name), load).run()


def _options(face: Face, name: str) -> dict[str, Any]:
    """gunicorn's settings, but for those that it has right by itself."""
    options: dict[str, Any] = {
        "bind": [face.host if face.host.startswith(UNIX) else _address(face)],
        "umask": _SOCKET_UMASK,
        "workers": 1,  # figures and pools are one process's; threads wait for PostgreSQL outside the GIL
        "worker_class": Worker,
        "threads": face.threads,
        "worker_connections": _CONNECTIONS,
        "keepalive": _IDLE_S,
        "limit_request_line": _ADDRESS_BYTES,
        "graceful_timeout": _FINISH_WITHIN_S,
        "control_socket_disable": True,
        "loglevel": "warning",
        "logger_class": _Log,
        "when_ready": _say_listening(name),
        "child_exit": _say_ended(name),
        "forwarded_allow_ips": "",  # whoever may reach this could claim to have come by TLS
    }
    if face.tls is not None:
        options |= {
            "certfile": str(face.tls.certificate),
            "keyfile": str(private_file(face.tls.key)),
            "ca_certs": str(face.tls.ca) if face.tls.ca else None,
            "cert_reqs": ssl.CERT_REQUIRED if face.tls.ca else ssl.CERT_NONE,
            "do_handshake_on_connect": True,
            "ssl_context": _one_context(),
        }
    return options


def _address(face: Face) -> str:
    return f"[{face.host}]:{face.port}" if ":" in face.host else f"{face.host}:{face.port}"


def _one_context() -> Callable[[Any, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """TLS 1.3, and the files read once: gunicorn asks for each connection."""
    made: list[ssl.SSLContext] = []

    def context(_config: object, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        if not made:
            new = default()
            new.minimum_version = ssl.TLSVersion.TLSv1_3
            made.append(new)
        return made[0]

    return context


class Worker(ThreadWorker):
    """gunicorn's threads, which wait for no client for long, and forget a request once it is answered."""

    _arrivals: Arrivals

    def init_process(self) -> None:
        """After the fork, which threads do not survive."""
        self._arrivals = Arrivals(head_s=_HEAD_WITHIN_S, whole_s=_WHOLE_WITHIN_S, pace=_TAKEN)
        super().init_process()

    def handle_request(self, req: Request, conn: TConn) -> Any:
        """Answer what has begun to arrive."""
        self._arrivals.head_is_here(conn)
        return super().handle_request(req, conn)

    def handle(self, conn: TConn) -> Any:
        """Answer one request of a connection. Runs in a thread of the pool."""
        # A thread of ours waits for the client to send, and to take what it asked for; without an end
        # to it, a few clients that do neither would have all threads. gunicorn resets Python's
        # time-out, but not the kernel's.
        with contextlib.suppress(OSError):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(_SILENCE_S, 0))
            # Half, as the kernel first tells how much it took until then, and fails at the second end.
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.pack(_SILENCE_S // 2, 0))
        with self._arrivals.bounded(conn, conn.sock):
            kept = super().handle(conn)
        if isinstance(conn.parser, Parser):
            conn.parser.mesg = None  # its headers hold a token, and the connection may idle for long
        return kept

    def handle_error(self, req: Request | None, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Say that it was not HTTP; never quote it, neither to the client nor in the log."""
        del req, addr
        _log.warning("http.refused", error=type(exc).__name__)
        if isinstance(exc, ssl.SSLError):
            return  # nobody who could read an answer in clear text
        too_long = isinstance(exc, LimitRequestLine | LimitRequestHeaders)
        reason = "its address or its headers are too long" if too_long else "not well-formed HTTP"
        problem = problem_of(InvalidInputError("request", reason), str(new_uuid()))
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 {problem.status} Bad Request\r\nConnection: close\r\nCache-Control: no-store\r\n"
            f"Content-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            client.sendall(head.encode("ascii") + body)


class _Log(Logger):
    """gunicorn's lines go where all others go, without their words: some quote what clients sent."""

    def setup(self, cfg: Config) -> None:
        """Leave the handlers to configure_logging; no access log, which would hold paths."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def _say_listening(name: str) -> Callable[[Arbiter], None]:
    def say(_arbiter: Arbiter) -> None:
        _log.info(f"{name}.listening")

    return say


def _say_ended(name: str) -> Callable[[Arbiter, ThreadWorker], None]:
    def say(_arbiter: Arbiter, worker: ThreadWorker) -> None:
        _log.warning(f"{name}.worker_ended", pid=worker.pid)

    return say


class _Server(BaseApplication):
    """gunicorn with settings of ours, and none from files or the environment."""

    def __init__(self, options: dict[str, Any], load: Callable[[], Flask]) -> None:
        self._options = options
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        """Take the settings."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:  # the stubs' type of a WSGI application is narrower than Flask's
        """The application, in the worker."""
        return self._load()
