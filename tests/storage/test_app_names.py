"""An app's name, which each sign-in brings along: kept, and in nobody's way."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.rig.postgres import TestDatabase
from vault_service.domain.ids import AppId
from vault_service.storage.pool import Database
from vault_service.storage.records.users import name_app

APP = AppId(UUID(int=5))


@pytest.fixture
def db(records_db: TestDatabase) -> Iterator[Database]:
    db = records_db.open("vault_api", size=2)
    with db.transaction() as conn:
        name_app(conn, APP, "shop")
    yield db
    db.close()


def test_nobody_who_signs_in_waits_for_others_of_the_same_app(db: Database) -> None:
    """A transaction that waits for its own user's row would hold up everybody's."""
    with db.transaction() as one, db.transaction() as other:
        name_app(one, APP, "shop")
        name_app(other, APP, "shop")  # raises when it has to wait for the first


def test_another_name_takes_the_place_of_the_first(db: Database) -> None:
    with db.transaction() as conn:
        name_app(conn, APP, "market")

    with db.connection() as conn:
        assert conn.execute("SELECT app_id, name FROM apps").fetchall() == [(APP, "market")]
