"""A records database with people who are signed in."""

from collections.abc import Iterator

import pytest

from tests.records.signed_in import Records, Somebody
from tests.rig.postgres import TestServer, fresh_database


@pytest.fixture(scope="module")
def shared(postgres: TestServer) -> Iterator[Records]:
    """One database for a module: each test brings people of its own."""
    with fresh_database(postgres, "records") as database:
        db = database.open("vault_api", size=8)
        yield Records(database, db)
        db.close()


@pytest.fixture
def records(shared: Records) -> Records:
    """The use cases as the API has them, with a clock of the test's own."""
    return Records(shared.database, shared.db)


@pytest.fixture
def ana(records: Records) -> Somebody:
    """Signed in with a password of her own."""
    return records.sign_up()
