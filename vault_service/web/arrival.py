"""How long a request may take to arrive, and how slowly its answer may be taken: a thread is held meanwhile.

Time-outs of the socket strike only who falls silent, not who sends or takes a byte now and then. A request
that is beyond its time here is read as if the client had ended there, so that the thread goes on and refuses.
Of an answer that waits to be taken, a share must have been each time that this looks again; else the
connection ends.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Generator, Hashable
from dataclasses import dataclass

import structlog

from vault_service.web.taking import Pace, Taking

_LOOK_S = 0.5
_log = structlog.get_logger("web")


@dataclass(slots=True)
class _Arriving:
    """One request, and its answer."""

    peer: socket.socket
    due: float  # monotonic
    taking: Taking
    head_is_here: bool = False


class Arrivals:
    """What one process is serving; a thread of its own ends what takes too long."""

    def __init__(self, *, head_s: float, whole_s: float, pace: Pace) -> None:
        self._head_s = head_s
        self._whole_s = whole_s
        self._pace = pace
        self._lock = threading.Lock()
        self._arriving: dict[Hashable, _Arriving] = {}
        threading.Thread(target=self._watch, name="arrivals", daemon=True).start()

    @contextlib.contextmanager
    def bounded(self, connection: Hashable, peer: socket.socket) -> Generator[None]:
        """Within it a request is read from `peer`, and answered."""
        # Another name of the same connection: TLS wraps the first one, and once that one is closed, its
        # number may be somebody else's.
        with socket.socket(fileno=os.dup(peer.fileno())) as same:
            with self._lock:
                due = time.monotonic() + self._head_s
                self._arriving[connection] = _Arriving(same, due, Taking(self._pace))
            try:
                yield
            finally:
                with self._lock:
                    del self._arriving[connection]

    def head_is_here(self, connection: Hashable) -> None:
        """The body has time of its own."""
        with self._lock:
            arriving = self._arriving[connection]
            arriving.head_is_here = True
            arriving.due += self._whole_s - self._head_s

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            self._end_what_is_due(time.monotonic())

    def _end_what_is_due(self, now: float) -> None:
        with self._lock:
            for arriving in self._arriving.values():
                if arriving.head_is_here and arriving.taking.is_too_slow(arriving.peer, now):
                    _log.warning("http.taken_too_slowly")
                    with contextlib.suppress(OSError):  # the client is gone
                        arriving.peer.shutdown(socket.SHUT_RDWR)
                if now < arriving.due:
                    continue
                arriving.due = float("inf")
                with contextlib.suppress(OSError):  # the client is gone
                    arriving.peer.shutdown(socket.SHUT_RD)
                if not arriving.head_is_here:  # later it may be the answer that takes long
                    _log.warning("http.too_slow")
