"""One exchange with a witness, over a Unix socket, TLS or loopback, within a deadline as a whole.

A connection an exchange: there is about one a second, and none can have gone stale. The standard
library's client, since its socket can be closed when the time is over; time-outs from byte to byte
let a peer that sends one now and then hold a thread for ever.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from vault_service.domain.errors import ConfigurationError

_MAX_ANSWER = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class WitnessTls:
    """Whom to believe (by default the system's authorities), and what to show if the witness asks."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    content_type: str  # without parameters
    body: bytes


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("witness", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class WitnessUrl:
    """Where a witness is. No redirects are followed and no proxy is used."""

    def __init__(self, url: str, tls: WitnessTls | None = None) -> None:
        """Raises ConfigurationError for anything but unix:/path, https:// and http:// to loopback."""
        self._context: ssl.SSLContext | None = None
        self._path = url.removeprefix("unix:") if url.startswith("unix:/") else ""
        if self._path:
            self._prefix = ""
            return
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            _refuse(url)
        if not host or parts.username or parts.password or parts.query or parts.fragment:
            _refuse(url)
        if parts.scheme == "https":
            self._context = _context(tls or WitnessTls())
        elif parts.scheme != "http" or not _is_loopback(host):
            _refuse(url)
        self._host, self._port, self._prefix = host, port, parts.path.rstrip("/")

    def post(self, path: str, body: bytes, deadline: float) -> Answer:
        """POST it and read the answer before the deadline (time.monotonic()).

        Raises OSError, whatever went wrong.
        """
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection = self._connection(left_s)
        try:
            connection.connect()
            return _exchange(connection, self._prefix + path, body, deadline)
        except (http.client.HTTPException, ValueError) as error:
            raise OSError("not an HTTP answer") from error
        finally:
            connection.close()

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._path:
            return _UnixConnection(self._path, timeout_s)
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=timeout_s, context=self._context)


def _exchange(connection: http.client.HTTPConnection, path: str, body: bytes, deadline: float) -> Answer:
    over = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connection.sock])
    over.daemon = True
    over.start()
    try:
        connection.request("POST", path, body, {"Connection": "close", "Content-Type": "text/plain"})
        response = connection.getresponse()
        content = response.read(_MAX_ANSWER + 1)
    finally:
        over.cancel()
    if len(content) > _MAX_ANSWER:
        raise OSError("the answer is too long")
    if time.monotonic() > deadline:  # a body without a length looks whole when it was cut
        raise TimeoutError
    return Answer(response.status, response.headers.get_content_type(), content)


def _cut(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # an SSLSocket's own is not for two threads


def _context(tls: WitnessTls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if tls.ca is None else str(tls.ca))
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"a witness's ca, certificate or key cannot be used ({error.strerror or error})",
            remedy="Correct the paths under [[witnesses]].",
        ) from error
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse(url: str) -> NoReturn:
    raise ConfigurationError(
        f"the witness's url {url.partition('@')[2] or url} is not one",
        remedy="Use unix:/path or https://host/prefix; http only to loopback.",
    ) from None
