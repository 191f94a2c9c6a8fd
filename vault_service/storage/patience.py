"""Statements that look at every row, by a role whose statements end after a second otherwise."""

import contextlib
from collections.abc import Generator

from psycopg import Connection

from vault_service.storage.connection import GRACE_S, GuardedConnection


@contextlib.contextmanager
def patient(conn: Connection, seconds: int) -> Generator[None]:
    """Let each statement inside take so long; the caller's transaction goes on as before afterwards.

    Only for what no user waits for. How long to wait for a lock stays as it is.
    """
    row = conn.execute("SELECT current_setting('statement_timeout')").fetchone()
    before = str(row[0]) if row else "0"
    limit_s = conn.limit_s if isinstance(conn, GuardedConnection) else 0.0
    _set_timeout(conn, f"{seconds}s")
    try:
        if isinstance(conn, GuardedConnection):
            conn.limit_s = max(limit_s, seconds + GRACE_S)
        yield
    finally:
        if isinstance(conn, GuardedConnection):
            conn.limit_s = limit_s
    _set_timeout(conn, before)  # after an error the transaction is over, and what was set in it is gone


def _set_timeout(conn: Connection, value: str) -> None:
    conn.execute("SELECT set_config('statement_timeout', %(value)s, true)", {"value": value})
