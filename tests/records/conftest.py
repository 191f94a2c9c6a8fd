"""A records database with people who are signed in."""

from collections.abc import Iterator

import pytest

from tests.records.signed_in import Records, Somebody
from tests.rig.postgres import TestDatabase


@pytest.fixture
def records(records_db: TestDatabase) -> Iterator[Records]:
    """The use cases as the API has them."""
    db = records_db.open("vault_api", size=8)
    yield Records(records_db, db)
    db.close()


@pytest.fixture
def ana(records: Records) -> Somebody:
    """Signed in with a password of her own."""
    return records.sign_up()
