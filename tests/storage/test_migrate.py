"""Migrations: numbered, checksummed, each whole or not at all, and nobody edits one that was applied."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from tests.rig.postgres import TestDatabase, TestServer
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.migrate import Migration, MigrationError, check_order, migrate
from vault_service.storage.roles import LAYOUTS, create_server_roles

MIGRATOR = "vault_keys_migrator"
ONE = Migration(1, "0001_one.sql", b"CREATE TABLE one (x int); INSERT INTO one VALUES (1);")
TWO = Migration(2, "0002_two.sql", b"ALTER TABLE one ADD y int;")
BROKEN = Migration(2, "0002_broken.sql", b"CREATE TABLE two (x int); ALTER TABLE none ADD y int;")


@pytest.fixture
def empty(postgres: TestServer) -> Iterator[TestDatabase]:
    """A database that the roles can enter and that holds nothing yet."""
    name = "test_empty"
    create_server_roles(postgres.cluster.admin_dsn, "keys", postgres.folder / "passwords", database=name)
    yield TestDatabase(postgres, "keys", name)
    with postgres.admin() as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def apply(database: TestDatabase, *migrations: Migration, dry_run: bool = False) -> tuple[str, ...]:
    return migrate(
        database.dsn(MIGRATOR), database.password(MIGRATOR), "keys", dry_run=dry_run, migrations=migrations
    )


def tables(database: TestDatabase) -> set[str]:
    with database.superuser() as conn:
        return {
            str(row[0]) for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }


def test_what_is_missing_is_applied_in_order_and_once(empty: TestDatabase) -> None:
    assert apply(empty, ONE) == ("0001_one.sql",)
    assert apply(empty, ONE, TWO) == ("0002_two.sql",)
    assert apply(empty, ONE, TWO) == ()

    with empty.superuser() as conn:
        assert conn.execute("SELECT x, y FROM one").fetchall() == [(1, None)]


def test_a_dry_run_says_what_would_be_applied_and_changes_nothing(empty: TestDatabase) -> None:
    assert apply(empty, ONE, TWO, dry_run=True) == ("0001_one.sql", "0002_two.sql")
    assert tables(empty) == set()

    apply(empty, ONE)
    assert apply(empty, ONE, TWO, dry_run=True) == ("0002_two.sql",)


def test_an_edited_file_is_refused_once_it_was_applied(empty: TestDatabase) -> None:
    apply(empty, ONE)
    edited = dataclasses.replace(ONE, text=ONE.text + b" ")

    for dry_run in (False, True):
        with pytest.raises(MigrationError, match=r"0001_one\.sql was edited after it was applied"):
            apply(empty, edited, TWO, dry_run=dry_run)
    assert "y" not in columns(empty, "one")


def columns(database: TestDatabase, table: str) -> set[str]:
    with database.superuser() as conn:
        return {
            str(row[0])
            for row in conn.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
            )
        }


def test_a_database_that_is_newer_than_the_program_is_refused(empty: TestDatabase) -> None:
    apply(empty, ONE, TWO)

    with pytest.raises(MigrationError, match=r"0002_two\.sql was applied, and this version does not have it"):
        apply(empty, ONE)


def test_a_database_that_left_one_out_is_refused(empty: TestDatabase) -> None:
    apply(empty, ONE, TWO)
    with empty.superuser() as conn:
        conn.execute("DELETE FROM schema_migrations WHERE number = 1")

    with pytest.raises(MigrationError, match="number 0001 was not"):
        apply(empty, ONE, TWO)


def test_a_file_that_fails_is_taken_back_whole_and_those_before_it_stay(empty: TestDatabase) -> None:
    with pytest.raises(MigrationError, match=r"0002_broken\.sql failed.*42P01"):
        apply(empty, ONE, BROKEN)

    assert tables(empty) == {"one", "schema_migrations"}
    assert apply(empty, ONE, TWO) == ("0002_two.sql",)


@pytest.mark.parametrize(
    "numbers", [(2,), (1, 3), (1, 1), (1, 2, 2)], ids=["no first", "a gap", "a double", "a double later"]
)
def test_files_with_a_gap_or_a_double_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(MigrationError, match="missing or there twice"):
        check_order([Migration(number, f"{number:04d}_x.sql", b"") for number in numbers])


def test_two_migrators_at_once_apply_each_file_once(empty: TestDatabase) -> None:
    slow = dataclasses.replace(ONE, text=ONE.text + b" SELECT pg_sleep(0.3);")
    with ThreadPoolExecutor() as pool:
        outcomes = [job.result() for job in [pool.submit(apply, empty, slow, TWO) for _ in range(4)]]

    assert sorted(name for outcome in outcomes for name in outcome) == ["0001_one.sql", "0002_two.sql"]


@pytest.mark.slow
def test_a_migration_gives_up_rather_than_queue_everybody_behind_a_lock(empty: TestDatabase) -> None:
    """An ALTER TABLE that waits stops every statement that comes after it."""
    apply(empty, ONE)
    with empty.superuser() as reader, reader.transaction():
        reader.execute("SELECT FROM one")
        with pytest.raises(MigrationError, match="55P03"):
            apply(empty, ONE, TWO)

    assert apply(empty, ONE, TWO) == ("0002_two.sql",)


def test_everything_belongs_to_the_owner_and_not_to_the_migrator(empty: TestDatabase) -> None:
    apply(empty, ONE)
    with empty.superuser() as conn:
        owners = conn.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        ).fetchall()

    assert owners == [(LAYOUTS["keys"].owner,)]


def test_a_login_that_cannot_become_the_owner_is_told_which_one_to_use(empty: TestDatabase) -> None:
    with pytest.raises(MigrationError) as raised:
        migrate(empty.dsn("vault_kms"), empty.password("vault_kms"), "keys")

    assert MIGRATOR in raised.value.remedy


def test_a_database_that_is_away_is_an_unavailable_database(empty: TestDatabase) -> None:
    with pytest.raises(DatabaseUnavailableError):
        migrate(empty.dsn(MIGRATOR), "not the password", "keys")


def test_a_text_that_ends_the_transaction_is_refused(empty: TestDatabase) -> None:
    """It is applied together with its line in schema_migrations, or not at all."""
    hasty = Migration(1, "0001_hasty.sql", b"CREATE TABLE hasty (x int); COMMIT;")
    with pytest.raises(MigrationError, match="ends the transaction"):
        apply(empty, hasty)
