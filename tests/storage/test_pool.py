"""The pool: dead connections are thrown out, errors are the project's own."""

import psycopg
import pytest

from tests.rig.postgres import TestDatabase, TestServer
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.errors import UniqueViolationError


def test_after_a_restart_of_the_server_the_first_use_of_each_connection_works(
    postgres: TestServer, keys_db: TestDatabase
) -> None:
    """A pool that hands out dead connections would fail once for each of them."""
    db = keys_db.open("vault_kms", size=4)
    with db.connection() as one, db.connection() as two:
        assert one.execute("SELECT 1").fetchone() == two.execute("SELECT 1").fetchone()

    postgres.stop()
    with pytest.raises(DatabaseUnavailableError):
        db.ping()
    postgres.start()

    with db.connection() as one, db.connection() as two:
        assert one.execute("SELECT 1").fetchone() == two.execute("SELECT 1").fetchone()
    db.close()


def test_a_single_statement_is_repeated_once_on_a_connection_that_answers(
    postgres: TestServer, keys_db: TestDatabase
) -> None:
    db = keys_db.open("vault_kms", size=1)
    db.ping()
    with postgres.admin() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vault_kms'")
    calls: list[int] = []

    def work(conn: "psycopg.Connection[tuple[object, ...]]") -> object:
        calls.append(1)
        return conn.execute("SELECT 42").fetchone()

    assert db.run(work) == (42,)
    assert len(calls) == 2
    db.close()


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT pg_sleep(10)", DatabaseUnavailableError),  # the role's statement_timeout ends it
        ("SELECT * FROM no_such_table", DatabaseUnavailableError),
        ("UPDATE audit_events SET kind = 1", DatabaseUnavailableError),  # no privilege
        ("INSERT INTO tenants VALUES (gen_random_uuid(), 'a', now()), (gen_random_uuid(), 'a', now())",
         UniqueViolationError),
    ],
)  # fmt: skip
def test_errors_of_the_database_become_the_projects_own(
    keys_db: TestDatabase, statement: str, error: type[Exception]
) -> None:
    db = keys_db.open("vault_kms", size=1)
    with pytest.raises(error) as raised, db.connection() as conn:
        conn.execute(statement.encode())
    assert "audit_events" not in str(raised.value)
    db.ping()  # the connection, or another one, is of use again
    db.close()


def test_a_wrong_password_is_an_unavailable_database_and_is_not_shown(keys_db: TestDatabase) -> None:
    from vault_service.storage.pool import open_database

    db = open_database(keys_db.dsn("vault_kms"), "not-the-password", size=1, name="keys")
    with pytest.raises(DatabaseUnavailableError) as raised:
        db.ping()
    assert "not-the-password" not in repr(raised.value)
    db.close()
