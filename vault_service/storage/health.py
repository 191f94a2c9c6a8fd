"""What a database server says of itself and of the role that asks."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """For people who look for what is wrong."""

    version: str
    version_number: int
    role: str
    now: datetime
    superuser: bool
    owns_tables: bool


def server_facts(db: Database) -> ServerFacts:
    """One statement. Raises DatabaseUnavailableError."""
    with db.connection() as conn:
        row = conn.execute(
            """SELECT current_setting('server_version'), current_setting('server_version_num')::int,
                      current_user::text, clock_timestamp(),
                      (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
                      EXISTS (SELECT FROM pg_class c WHERE c.relowner = current_user::regrole
                              AND c.relkind = 'r')"""
        ).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    return ServerFacts(*row)


def why_not(dsn: str, password: str) -> str:
    """What the server, or the way to it, has against a connection; empty when there is one.

    For an operator's screen only, never for a log: it names hosts and roles. A password is in no such
    message, and would be taken out of one.
    """
    try:
        psycopg.connect(dsn, password=password, connect_timeout=2).close()
    except psycopg.Error as error:
        return " ".join(str(error).replace(password, "…").split())
    return ""
