"""Is an answer taken at a pace that a thread can be held for? Asked of the kernel, from another thread.

Only while something waits to be taken: an answer that is being worked out costs its client no time. On a Unix
socket the kernel does not count what was taken; whoever connects there is a proxy of ours.
"""

import socket
import struct
from dataclasses import dataclass

# Of struct tcp_info (linux/tcp.h): tcpi_bytes_acked, and tcpi_notsent_bytes, which Linux has since 4.6.
_ACKNOWLEDGED = struct.Struct("=Q"), 120
_NOT_SENT = struct.Struct("=I"), 144
_TCP_INFO_BYTES = 148


@dataclass(frozen=True, slots=True)
class Pace:
    """At least so many bytes in each so many seconds."""

    bytes_: int
    seconds: float


class Taking:
    """How far the other end of one connection has taken what it is sent."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._since: float | None = None  # when this stretch of waiting began, monotonic
        self._before = 0  # bytes that had been taken then

    def is_too_slow(self, peer: socket.socket, now: float) -> bool:
        """Call it every now and then; after it was true once, it begins anew."""
        taken = _taken_so_far(peer)
        if taken is None:
            self._since = None
            return False
        if self._since is None:
            self._since, self._before = now, taken
        if now - self._since < self._pace.seconds:
            return False
        is_too_slow = taken - self._before < self._pace.bytes_
        self._since, self._before = now, taken
        return is_too_slow


def _taken_so_far(peer: socket.socket) -> int | None:
    """Bytes that the other end has acknowledged; None when nothing waits for it, or it cannot be told."""
    if peer.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:  # the client is gone
        return None
    if len(info) < _TCP_INFO_BYTES or not _member(info, _NOT_SENT):
        return None
    return _member(info, _ACKNOWLEDGED)


def _member(info: bytes, member: tuple[struct.Struct, int]) -> int:
    form, place = member
    (value,) = form.unpack_from(info, place)
    return int(value)
