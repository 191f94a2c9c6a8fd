"""Connections to one database as one role: a pool that survives a restart or a failover."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Generator
from typing import ParamSpec, TypeAlias, TypeVar

import psycopg
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from vault_service.domain.errors import DatabaseUnavailableError, SchemaNewerError, SchemaOutdatedError
from vault_service.logs import Repeated
from vault_service.storage.connection import BinaryCursor, GuardedConnection
from vault_service.storage.dsn import read_dsn
from vault_service.storage.errors import (
    CommitUnconfirmedError,
    ConnectionLostError,
    SerializationError,
    is_stale,
    translated,
)
from vault_service.storage.schema_version import demand_fitting_schema, side_of

Conn: TypeAlias = Connection  # for those who keep one and may not name psycopg
_T = TypeVar("_T")
_P = ParamSpec("_P")

WAIT_S = 0.6  # for a connection from the pool; roles.py adds it up
OPTIONS: dict[str, str | int] = {
    "connect_timeout": 2,  # s; libpq's least
    "tcp_user_timeout": 3000,  # ms; without it a silent packet drop hangs for good
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "target_session_attrs": "read-write",  # of several hosts, the primary
}
_TRIES = 3
_QUIET_S = 5.0  # without a failure: then an outage is over


class Database:
    """Hands out connections; every psycopg error leaves here as one of the project's."""

    def __init__(self, pool: ConnectionPool[GuardedConnection], name: str) -> None:
        self._pool = pool
        self._name = name
        self._away = Repeated(quiet_s=_QUIET_S)
        self._purge_lock = threading.Lock()
        self._purged_at = 0.0  # monotonic

    @contextlib.contextmanager
    def connection(self) -> Generator[Connection]:
        """A connection on which each statement is its own transaction.

        Raises DatabaseUnavailableError, SchemaOutdatedError and SchemaNewerError among them;
        CommitUnconfirmedError when the standby did not confirm.
        """
        with translated(self._name, self._away), self._lent() as conn:
            conn.forget_warnings()
            yield conn
            conn.check_confirmed()

    @contextlib.contextmanager
    def transaction(self) -> Generator[Connection]:
        """A connection inside BEGIN and COMMIT; an exception rolls back.

        Raises DatabaseUnavailableError; CommitUnconfirmedError when COMMIT was sent and not answered;
        UniqueViolationError and SerializationError for the statement's author to catch outside.
        """
        with translated(self._name, self._away), self._lent() as conn:
            conn.begin()
            try:
                yield conn
            except BaseException:
                conn.undo()
                raise
            conn.confirm()

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """Run one statement; once more on another connection when this one breaks under it.

        The work must be safe to repeat: ids chosen beforehand, ON CONFLICT DO NOTHING.
        """
        try:
            with self.connection() as conn:
                return work(conn)
        except ConnectionLostError:
            try:
                with self.connection() as conn:
                    return work(conn)
            except DatabaseUnavailableError:
                # The first try may have been done before the connection broke.
                raise CommitUnconfirmedError(f"the {self._name} database") from None

    def ping(self) -> None:
        """Raises DatabaseUnavailableError."""
        self.run(lambda conn: conn.execute("SELECT 1").fetchone())

    def stats(self) -> dict[str, int]:
        """The pool's figures, such as pool_size, pool_available and requests_waiting."""
        return self._pool.get_stats()

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close(timeout=1.0)

    @contextlib.contextmanager
    def _lent(self) -> Generator[GuardedConnection]:
        conn = self._live()
        try:
            _see_that_the_schema_fits(conn)
            yield conn
        except psycopg.Error as error:
            if is_stale(error):
                conn.close()
            if conn.closed:
                self._purge(conn)
            raise
        finally:
            self._pool.putconn(conn)  # which drops one that is lost, and resets one left in a transaction

    def _live(self) -> GuardedConnection:
        """A connection whose server has not hung up.

        A round trip to find that out would cost every request 40 us; one that breaks between here and
        its statement is an error, or `run` repeats.
        """
        conn = self._pool.getconn(timeout=WAIT_S)
        if not conn.is_lost():
            return conn
        conn.close()
        self._pool.putconn(conn)
        self._purge(conn)
        return self._pool.getconn(timeout=WAIT_S)

    def _purge(self, lost: GuardedConnection) -> None:
        """Where one connection is lost, those of its age are too; but not those made since."""
        with self._purge_lock:
            if lost.opened_at <= self._purged_at:
                return
            self._purged_at = time.monotonic()
        self._pool.drain()


def _configure(conn: GuardedConnection) -> None:
    """A new connection, before anybody waits for it; what does not fit is told to whoever gets it."""
    conn.guard()
    with contextlib.suppress(SchemaOutdatedError, SchemaNewerError):
        _see_that_the_schema_fits(conn)


def _see_that_the_schema_fits(conn: GuardedConnection) -> None:
    """Until it does: whatever was put back since, the connections of before are gone."""
    if conn.schema_fits:
        return
    if (side := side_of(conn.info.user)) is not None:
        demand_fitting_schema(conn, side)
    conn.schema_fits = True


def repeatable(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate what may be done over again from its beginning: after a deadlock or a conflict it is.

    Raises SerializationError when it meets one at each of three tries.
    """

    @functools.wraps(work)
    def again(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for _ in range(_TRIES - 1):
            with contextlib.suppress(SerializationError):
                return work(*args, **kwargs)
        return work(*args, **kwargs)

    return again


def open_database(dsn: str, password: str, *, size: int, name: str) -> Database:
    """A pool of up to `size` connections. Nothing waits for the server: it may come later.

    What the dsn says of time-outs goes before the defaults here. Raises ConfigurationError for a dsn
    that holds a password or would cross a network without a verified server certificate.
    """
    given = read_dsn(dsn, name)
    defaults = {key: value for key, value in OPTIONS.items() if key not in given}
    pool: ConnectionPool[GuardedConnection] = ConnectionPool(
        make_conninfo(dsn, **defaults),
        connection_class=GuardedConnection,
        # Apart from the conninfo, which psycopg_pool may show in messages.
        kwargs={"autocommit": True, "cursor_factory": BinaryCursor, "password": password},
        configure=_configure,
        min_size=1,
        max_size=size,
        open=False,
        name=name,
        timeout=WAIT_S,
        reconnect_timeout=1.0,
        max_idle=60.0,
    )
    pool.open(wait=False)
    return Database(pool, name)
