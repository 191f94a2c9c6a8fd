"""Connections to one database as one role: a pool that survives a restart or a failover."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from psycopg import Connection, OperationalError
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.errors import SerializationError, translated

_T = TypeVar("_T")

_WAIT_S = 2.0  # for a connection from the pool
_OPTIONS: dict[str, str | int] = {
    "connect_timeout": 2,  # s; libpq's least
    "tcp_user_timeout": 3000,  # ms; without it a silent packet drop hangs for good
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "target_session_attrs": "read-write",  # of several hosts, the primary
}
_REPEATS = 3


class Database:
    """Hands out connections; every psycopg error leaves here as one of the project's."""

    def __init__(self, pool: ConnectionPool[Connection], name: str) -> None:
        self._pool = pool
        self._name = name

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A live connection on which each statement is its own transaction."""
        with translated(self._name):
            conn = self._live()
            try:
                yield conn
            finally:
                self._pool.putconn(conn)  # which drops one that is lost, and resets one left in a transaction

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection inside BEGIN and COMMIT; an exception rolls back."""
        with self.connection() as conn, conn.transaction():
            yield conn

    def repeat(self, work: Callable[[Connection], _T]) -> _T:
        """Run work in a transaction, again if it met a deadlock or a conflict; it must be repeatable."""
        for _ in range(_REPEATS - 1):
            with contextlib.suppress(SerializationError), self.transaction() as conn:
                return work(conn)
        with self.transaction() as conn:
            return work(conn)

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """Run one statement without a check of the connection beforehand.

        When the connection turns out to be lost, the work is done once more on one that answers: it
        must be safe to repeat (ids chosen beforehand, ON CONFLICT DO NOTHING).
        """
        try:
            with translated(self._name), self._pool.connection(timeout=_WAIT_S) as conn:
                return work(conn)
        except DatabaseUnavailableError:
            with self.connection() as conn:
                return work(conn)

    def ping(self) -> None:
        """Raises DatabaseUnavailableError."""
        self.run(lambda conn: conn.execute("SELECT 1").fetchone())

    def stats(self) -> dict[str, int]:
        """The pool's figures, such as pool_size, pool_available and requests_waiting."""
        return self._pool.get_stats()

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close(timeout=1.0)

    def _live(self) -> Connection:
        """A connection that answers: dead ones, after the server was away, are thrown out on the way."""
        for _ in range(self._pool.max_size):
            conn = self._pool.getconn(timeout=_WAIT_S)
            try:
                ConnectionPool.check_connection(conn)
            except OperationalError:
                self._pool.putconn(conn)
            else:
                return conn
        return self._pool.getconn(timeout=_WAIT_S)


def open_database(dsn: str, password: str, *, size: int, name: str) -> Database:
    """A pool of up to `size` connections. Nothing waits for the server: it may come later."""
    conninfo = make_conninfo(dsn, password=password, **_OPTIONS)
    pool: ConnectionPool[Connection] = ConnectionPool(
        conninfo,
        kwargs={"autocommit": True},
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        timeout=_WAIT_S,
        reconnect_timeout=1.0,
        max_idle=60.0,
    )
    pool.open(wait=False)
    return Database(pool, name)
