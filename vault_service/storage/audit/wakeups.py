"""Be asked to seal at once: NOTIFY audit_seal, heard on a connection of its own."""

import threading
import time
from contextlib import suppress

import psycopg
from psycopg.conninfo import make_conninfo

from vault_service.storage.dsn import read_dsn

_SLICE_S = 0.5  # no event of a thread ends a wait for the server
_OPTIONS: dict[str, str | int] = {
    "connect_timeout": 2,  # s
    "tcp_user_timeout": 3000,  # ms
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "target_session_attrs": "read-write",
}


class Wakeups:
    """Waits; without its connection it still waits, and nobody can cut that short."""

    def __init__(self, dsn: str, password: str, name: str) -> None:
        given = read_dsn(dsn, name)
        self._dsn = make_conninfo(dsn, **{k: v for k, v in _OPTIONS.items() if k not in given})
        self._password = password
        self._conn: psycopg.Connection | None = None

    def wait(self, timeout_s: float, stop: threading.Event) -> bool:
        """Whether somebody asked within the time (seconds). Comes back early when told to stop."""
        deadline = time.monotonic() + timeout_s
        while not stop.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._hears(min(left, _SLICE_S), stop):
                return True
        return False

    def _hears(self, timeout_s: float, stop: threading.Event) -> bool:
        try:
            conn = self._listening()
            return any(True for _ in conn.notifies(timeout=timeout_s, stop_after=1))
        except psycopg.Error:
            self.close()
            stop.wait(timeout_s)
            return False

    def close(self) -> None:
        """Hang up."""
        if self._conn is not None:
            with suppress(psycopg.Error):
                self._conn.close()
            self._conn = None

    def _listening(self) -> psycopg.Connection:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(self._dsn, password=self._password, autocommit=True)
            self._conn.execute("LISTEN audit_seal")
        return self._conn


def ask_to_seal(conn: psycopg.Connection) -> None:
    """Have this database's worker seal now, and cosign anew what is sealed."""
    conn.execute("NOTIFY audit_seal")
