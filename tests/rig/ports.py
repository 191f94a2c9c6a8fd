"""Ports that nobody else takes between their choice and the moment when a server listens there.

The kernel gives ports of its own range to whoever asks for any, and to every client as the sender's: one that
it named a moment ago may be somebody's by the time a server binds it. These are below that range, in blocks
each of which one process has for as long as it lives, and no port comes twice.
"""

import itertools
import socket
from collections.abc import Iterator

_FIRST, _LAST = 10_240, 32_767  # above the last that browsers refuse, below ip_local_port_range
_BLOCK = 128
_held: list[socket.socket] = []


def free_port() -> int:
    """On 127.0.0.1."""
    return next(_ports)


def _all_ports() -> Iterator[int]:
    for block in itertools.count(_FIRST, _BLOCK):
        assert block + _BLOCK <= _LAST + 1, "every block of ports is taken"
        if _take(block):
            yield from filter(_is_free, range(block, block + _BLOCK))


def _take(block: int) -> bool:
    """By an abstract name, which goes with the process whatever ends it."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0tests of vault_service, ports from {block}")
    except OSError:
        name.close()
        return False
    _held.append(name)
    return True


def _is_free(port: int) -> bool:
    """Of servers that are no test's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_ports = _all_ports()
