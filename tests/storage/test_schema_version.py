"""A process works with the schema of its version or a newer one, and refuses what would fail it halfway."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from vault_service.domain.errors import SchemaNewerError, SchemaOutdatedError
from vault_service.storage.pool import Database
from vault_service.storage.roles import LAYOUTS, SIDES, Side
from vault_service.storage.schema_version import newest_known, side_of


@pytest.fixture(scope="module", params=SIDES)
def database(request: pytest.FixtureRequest, postgres: TestServer) -> Iterator[TestDatabase]:
    """One a side; each test leaves the list of migrations as it found it."""
    side: Side = "keys" if request.param == "keys" else "records"
    with fresh_database(postgres, side) as fresh:
        yield fresh


@contextlib.contextmanager
def started(database: TestDatabase) -> Iterator[Database]:
    """The side's first process, with one connection that it makes from now on."""
    with contextlib.closing(database.open(LAYOUTS[database.side].processes[0].name, size=1)) as db:
        yield db


def change(database: TestDatabase, statement: bytes) -> None:
    with database.superuser() as conn:
        conn.execute(statement)


def next_migration(database: TestDatabase, what: str) -> str:
    """As a newer version would leave it in the list."""
    number = newest_known(database.side) + 1
    name = f"{number:04d}_{what}.sql"
    change(
        database,
        f"INSERT INTO schema_migrations (number, name, checksum) VALUES ({number}, '{name}', '')".encode(),
    )
    return f"DELETE FROM schema_migrations WHERE number = {number}"


def test_a_process_waits_for_migrations_that_it_needs_and_goes_on_by_itself(database: TestDatabase) -> None:
    known = newest_known(database.side)
    row = f"number = {known}"
    change(database, b"CREATE TABLE aside AS SELECT * FROM schema_migrations WHERE " + row.encode())
    change(database, b"DELETE FROM schema_migrations WHERE " + row.encode())

    with started(database) as db:
        for use in (db.connection, db.transaction):
            with (
                pytest.raises(SchemaOutdatedError, match=f"at migration {known - 1:04d}.*needs {known:04d}"),
                use(),
            ):
                pass

        change(database, b"INSERT INTO schema_migrations SELECT * FROM aside")
        change(database, b"DROP TABLE aside")
        db.ping()


def test_a_process_waits_for_the_first_migration(database: TestDatabase) -> None:
    change(database, b"ALTER TABLE schema_migrations RENAME TO aside")

    with started(database) as db:
        with pytest.raises(SchemaOutdatedError, match="no readable list") as refused:
            db.ping()

        change(database, b"ALTER TABLE aside RENAME TO schema_migrations")
        db.ping()
    assert "vaultctl migrate" in refused.value.remedy


def test_an_older_process_works_beside_a_newer_schema(database: TestDatabase) -> None:
    """So that a service is replaced process by process."""
    back = next_migration(database, "adds_something")

    with started(database) as db:
        db.ping()

    change(database, back.encode())


def test_an_older_process_refuses_a_schema_that_gave_up_what_it_uses(database: TestDatabase) -> None:
    back = next_migration(database, "contract_something_old")

    with started(database) as db:
        with pytest.raises(SchemaNewerError, match=f"this version ends at {newest_known(database.side):04d}"):
            db.ping()

        change(database, back.encode())
        db.ping()


def test_a_connection_that_has_looked_does_not_look_again(database: TestDatabase) -> None:
    """It would cost every request a round trip."""
    with started(database) as db:
        db.ping()
        back = next_migration(database, "contract_something_old")

        db.ping()

    change(database, back.encode())


def test_every_process_looks_and_nobody_else() -> None:
    for side in SIDES:
        layout = LAYOUTS[side]
        assert {side_of(process.name) for process in layout.processes} == {side}
        assert side_of(layout.migrator) is None
