"""What a database server says of itself and of the role that asks."""

from dataclasses import dataclass
from datetime import datetime

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
