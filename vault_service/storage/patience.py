"""Statements with much to do, by a role whose statements end after a second otherwise."""

import contextlib
from collections.abc import Generator

import psycopg
from psycopg import Connection

from vault_service.storage.connection import GRACE_S, GuardedConnection


@contextlib.contextmanager
def patient(conn: Connection, seconds: int) -> Generator[None]:
    """Let each statement inside take so long; the caller's transaction goes on as before afterwards.

    Only for what no user waits for. How long to wait for a lock stays as it is.
    """
    before = _timeout(conn)
    _set_timeout(conn, f"{seconds}s", local=True)
    with _client_waits(conn, seconds):
        yield
    # After an error the transaction is over, and what was set in it is gone.
    _set_timeout(conn, before, local=True)


@contextlib.contextmanager
def patient_alone(conn: Connection, seconds: int) -> Generator[None]:
    """The same for statements that are transactions of their own, so that their commits have that time too.

    For as many rows as one request may bring.
    """
    before = _timeout(conn)
    _set_timeout(conn, f"{seconds}s", local=False)
    try:
        with _client_waits(conn, seconds):
            yield
    finally:
        if not conn.closed:
            try:
                _set_timeout(conn, before, local=False)
            except psycopg.Error:
                conn.close()  # or whoever has it next would have that time too


@contextlib.contextmanager
def _client_waits(conn: Connection, seconds: int) -> Generator[None]:
    if not isinstance(conn, GuardedConnection):
        yield
        return
    limit_s = conn.limit_s
    conn.limit_s = max(limit_s, seconds + GRACE_S)
    try:
        yield
    finally:
        conn.limit_s = limit_s


def _timeout(conn: Connection) -> str:
    row = conn.execute("SELECT current_setting('statement_timeout')").fetchone()
    return str(row[0]) if row else "0"


def _set_timeout(conn: Connection, value: str, *, local: bool) -> None:
    values = {"value": value, "local": local}
    conn.execute("SELECT set_config('statement_timeout', %(value)s, %(local)s)", values)
