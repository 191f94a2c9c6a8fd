"""Statements that look at every row: longer than a request's, inside a transaction that says so."""

import contextlib
from collections.abc import Iterator
from typing import LiteralString

import pytest

from tests.rig.postgres import TestDatabase
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.connection import GuardedConnection
from vault_service.storage.patience import patient, patient_alone
from vault_service.storage.pool import Database

LONG = "SELECT pg_sleep(1.4)"  # the role's limit is 1.1 s, and the client's 0.2 s more


@pytest.fixture
def db(keys_db: TestDatabase) -> Iterator[Database]:
    with contextlib.closing(keys_db.open("vault_kms", size=1)) as db:
        yield db


def test_a_statement_that_is_waited_for_takes_its_time(db: Database) -> None:
    with db.transaction() as conn, patient(conn, 10):
        conn.execute(LONG)


def look_at_all_and_then(db: Database, statement: LiteralString) -> None:
    with db.transaction() as conn:
        with patient(conn, 10):
            conn.execute("SELECT 1")
        conn.execute(statement)


def failing(db: Database) -> None:
    with db.transaction() as conn, patient(conn, 10):
        raise LookupError


def alone(db: Database) -> None:
    with db.connection() as conn:
        conn.execute(LONG)


def limits_within_and_after(db: Database) -> list[str]:
    query = "SELECT current_setting('statement_timeout')"
    with db.transaction() as conn:
        with patient(conn, 10):
            within = conn.execute(query).fetchone()
        after = conn.execute(query).fetchone()
    return [str(row[0]) for row in (within, after) if row]


def test_what_follows_is_bounded_again(db: Database) -> None:
    """In the same transaction, and on the same connection after one that failed."""
    assert limits_within_and_after(db) == ["10s", "1100ms"]
    with pytest.raises(DatabaseUnavailableError):
        look_at_all_and_then(db, LONG)
    with pytest.raises(LookupError):
        failing(db)
    with pytest.raises(DatabaseUnavailableError):
        alone(db)


def bounds(db: Database) -> tuple[str, float]:
    """The server's and the client's, of the pool's only connection."""
    with db.connection() as conn:
        row = conn.execute("SELECT current_setting('statement_timeout')").fetchone()
        assert row is not None
        assert isinstance(conn, GuardedConnection)
        return str(row[0]), conn.limit_s


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT 1 / 0", "SELECT pg_sleep(2.5)"])
def test_alone_a_statement_has_its_time_and_leaves_the_connection_bounded(
    db: Database, statement: LiteralString
) -> None:
    """Also when it fails, or takes longer than even that."""
    before = bounds(db)
    assert before[0] == "1100ms"

    with db.connection() as conn, patient_alone(conn, 10):
        conn.execute(LONG)
    with contextlib.suppress(Exception), db.connection() as conn, patient_alone(conn, 2):
        conn.execute(statement)

    assert bounds(db) == before


def test_a_connection_whose_bound_cannot_be_put_back_is_given_up(db: Database) -> None:
    """Somebody else would have it next."""
    before = bounds(db)

    with contextlib.suppress(Exception), db.connection() as conn, patient_alone(conn, 2):
        conn.execute("BEGIN")
        conn.execute("SELECT 1 / 0")  # from here on the server refuses whatever it is asked

    assert bounds(db) == before
