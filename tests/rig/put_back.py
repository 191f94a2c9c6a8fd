"""Put a user's older rows back: as a restored backup would, or a superuser of the database."""

from collections.abc import Callable

from psycopg import sql
from psycopg.types.json import Jsonb

from tests.promises.inside import rows_of
from tests.rig.postgres import TestDatabase
from vault_service.domain.ids import UserId

KEYS = ("logins", "users", "credentials", "deks", "escrow_wraps", "recovery_codes")
RECORDS = ("users", "records", "record_tags")


def backup_of(database: TestDatabase, user: UserId) -> Callable[[], None]:
    """Keep a user's rows; what is returned puts them back. The trail stays as it is."""
    tables = KEYS if database.side == "keys" else RECORDS
    kept = {table: rows_of(database, table, user) for table in tables}

    def restore() -> None:
        with database.superuser() as conn, conn.transaction():
            conn.execute("SET CONSTRAINTS ALL DEFERRED")
            conn.execute("SET LOCAL session_replication_role = replica")
            for table in reversed(tables):
                conn.execute(
                    sql.SQL("DELETE FROM {} WHERE user_id = %s").format(sql.Identifier(table)), [user]
                )
            for table in tables:
                for row in kept[table]:
                    conn.execute(
                        sql.SQL("INSERT INTO {0} SELECT * FROM jsonb_populate_record(NULL::{0}, %s)").format(
                            sql.Identifier(table)
                        ),
                        [Jsonb(row.columns)],
                    )

    return restore
