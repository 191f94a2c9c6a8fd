"""The queue is filled for each rotation, whatever becomes of another one."""

from collections.abc import Iterator
from typing import cast
from uuid import UUID, uuid4

import pytest

from tests.rig.postgres import TestDatabase
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.kms.client import KmsClient
from vault_service.rotation.plan import Planner
from vault_service.storage.keys.rotation_plans import find_sweep
from vault_service.storage.pool import Database


class Slow:
    """A key service that does not come to the end of counting what is left."""

    def call(self, *_: object) -> None:
        raise DatabaseUnavailableError("the keys database")


@pytest.fixture
def worker_db(keys_db: TestDatabase) -> Iterator[Database]:
    db = keys_db.open("vault_worker_keys", size=1)
    yield db
    db.close()


def begin(keys_db: TestDatabase, kind: str) -> UUID:
    rotation = uuid4()
    with keys_db.superuser() as conn:
        conn.execute(
            "INSERT INTO rotations (rotation_id, kind, to_gen, started_at) VALUES (%s, %s, 2, now())",
            (rotation, kind),
        )
    return rotation


def test_a_rotation_that_cannot_be_ended_holds_up_no_other(
    keys_db: TestDatabase, worker_db: Database
) -> None:
    planner = Planner(worker_db, cast("KmsClient", Slow()), batch=10)
    begin(keys_db, "login-index")  # looked at first
    planner.tick()
    with keys_db.superuser() as conn:
        conn.execute("DELETE FROM jobs.procrastinate_jobs")  # they are done
    other = begin(keys_db, "pepper")

    with pytest.raises(DatabaseUnavailableError):
        planner.tick()

    with worker_db.connection() as conn:
        sweep = find_sweep(conn, other)
    assert sweep is not None
    assert sweep.waiting == 1
