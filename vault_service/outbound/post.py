"""One HTTPS POST, and nothing of the answer but what decides whether it was taken.

HTTP/1.1 (RFC 9112) with a connection for each request. The answer's body is never read: it could be
endless, and nothing in it is needed. Redirects are not followed, since they would lead past the checks.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from vault_service.outbound.connect import Deadline, Outbound
from vault_service.outbound.errors import OutboundUnavailableError
from vault_service.outbound.url import HttpsUrl

_MAX_HEAD = 32 * 1024  # bytes of one status line with its headers
_PIECE = 64 * 1024  # bytes handed to TLS at a time
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?")
_RETRY_AFTER = re.compile(rb"(?im)^retry-after:[ \t]*([0-9]{1,9})[ \t]*$")
_HEADER = re.compile(r"[!-~]+( [!-~]+)*")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said."""

    status: int
    retry_after_s: int | None = None  # the form in seconds only (RFC 9110, section 10.2.3)


def post(
    outbound: Outbound,
    url: HttpsUrl,
    body: bytes,
    headers: Mapping[str, str],
    *,
    tls: ssl.SSLContext,
    within_s: float,
) -> Answer:
    """Send a body and wait for the status, `within_s` seconds in all, look-up and TLS included.

    Raises OutboundRefusedError, OutboundUnavailableError; ValueError for a header that would break the
    request apart.
    """
    head = _request_head(url, len(body), headers)
    deadline = Deadline(within_s)
    with outbound.connected(url.host, url.port, tls, deadline) as connection:
        _send(connection, head + body, deadline)
        return _read_answer(connection, url.host, deadline)


def _request_head(url: HttpsUrl, length: int, headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if not _HEADER.fullmatch(value) or not re.fullmatch(r"[A-Za-z0-9-]+", name):
            raise ValueError(f"header {name!r} cannot be sent")
    lines = {
        "Host": url.authority,
        "User-Agent": "vault_service",
        "Content-Length": str(length),
        "Connection": "close",
        **headers,
    }
    fields = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {url.target} HTTP/1.1\r\n{fields}\r\n".encode("ascii")


def _send(connection: ssl.SSLSocket, data: bytes, deadline: Deadline) -> None:
    """sendall's time-out would begin anew with each piece that a slow receiver takes."""
    rest = memoryview(data)
    while rest:
        connection.settimeout(deadline.left_s())
        rest = rest[connection.send(rest[:_PIECE]) :]


def _read_answer(connection: ssl.SSLSocket, host: str, deadline: Deadline) -> Answer:
    received = b""
    while True:
        head, ended, rest = received.partition(b"\r\n\r\n")
        if ended:
            answer = _parse(head, host)
            if answer.status >= 200:
                return answer
            received = rest  # 100 Continue, 103 Early Hints: the real one follows
            continue
        if len(received) > _MAX_HEAD:
            raise OutboundUnavailableError(host, "its answer is too long")
        connection.settimeout(deadline.left_s())
        more = connection.recv(4096)
        if not more:
            raise OutboundUnavailableError(host, "it hung up without an answer")
        received += more


def _parse(head: bytes, host: str) -> Answer:
    line, _, fields = head.partition(b"\r\n")
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise OutboundUnavailableError(host, "its answer is not HTTP")
    waits = _RETRY_AFTER.search(fields.replace(b"\r\n", b"\n"))
    return Answer(int(found[1]), int(waits[1]) if waits else None)
