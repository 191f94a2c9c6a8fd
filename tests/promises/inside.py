"""What somebody with full access to a database sees: every row of a table, with who wrote it last."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from tests.rig.postgres import TestDatabase


@dataclass(frozen=True)
class Row:
    """One row; `xmin` is the transaction that wrote this version of it."""

    xmin: int
    columns: dict[str, Any]


def rows_of(database: TestDatabase, table: LiteralString, user: UUID) -> list[Row]:
    """A user's rows, with values as PostgreSQL writes them in JSON (bytea in hexadecimal)."""
    query = sql.SQL("SELECT t.xmin::text, to_jsonb(t) FROM {} t WHERE user_id = %(user)s ORDER BY 2")
    with database.superuser() as conn:
        found = conn.execute(query.format(sql.Identifier(table)), {"user": user}).fetchall()
    return [Row(int(str(xmin)), columns) for xmin, columns in found]  # type: ignore[arg-type]  # jsonb is a dict


def changed_columns(before: Row, after: Row) -> set[str]:
    """The names of the columns whose values differ."""
    return {name for name in after.columns if before.columns[name] != after.columns[name]}
