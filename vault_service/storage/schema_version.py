"""Does a database's schema fit this version of the program? Asked on each new connection.

Rules:
- A schema that lacks a migration of this version is refused: migrate first, then start what is newer.
- A newer schema is fine, so that a service is replaced process by process: a migration leaves what the
  version before it uses as it is ("expand").
- Only a migration that is named NNNN_contract_… takes such things away, in a later release. A version
  that does not know it is refused.
"""

import functools

from psycopg import Connection, errors

from vault_service.domain.errors import SchemaNewerError, SchemaOutdatedError
from vault_service.storage.migrate import load_migrations
from vault_service.storage.roles import LAYOUTS, SIDES, Side


def side_of(role: str) -> Side | None:
    """The side whose process has this role; None for administrators and whoever is not ours."""
    for side in SIDES:
        if any(role == process.name for process in LAYOUTS[side].processes):
            return side
    return None


@functools.cache
def newest_known(side: Side) -> int:
    """The number of this version's last migration."""
    return load_migrations(side)[-1].number


def demand_fitting_schema(conn: Connection, side: Side) -> None:
    """Raises SchemaOutdatedError, SchemaNewerError."""
    known = newest_known(side)
    try:
        row = conn.execute(
            r"""SELECT coalesce(max(number), 0),
                       coalesce(max(number) FILTER (WHERE name ~ '^\d+_contract_'), 0)
                FROM schema_migrations"""
        ).fetchone()
    except (errors.UndefinedTable, errors.InsufficientPrivilege):
        # There is none yet, or one of before processes looked.
        raise SchemaOutdatedError(side, applied=None, needed=known) from None
    assert row is not None, "an aggregate without GROUP BY has one row"
    applied, contracted = row
    if applied < known:
        raise SchemaOutdatedError(side, applied=applied, needed=known)
    if contracted > known:
        raise SchemaNewerError(side, applied=applied, known=known)
