"""A batch that fails for a reason that nobody foresaw waits like one that is refused, and is told."""

import asyncio
from collections.abc import Iterator
from typing import cast
from uuid import uuid4

import pytest
from procrastinate import App
from procrastinate.testing import InMemoryConnector
from structlog.testing import capture_logs

from tests.rig.postgres import TestDatabase
from vault_service.kms.client import KmsClient
from vault_service.rotation import jobs
from vault_service.rotation.jobs import Batches, FailedError, HeldError
from vault_service.storage.keys.rotation_plans import FIRST, LAST, TASK
from vault_service.storage.pool import Database


class Broken:
    """A client with a defect."""

    def call(self, *_: object) -> None:
        raise ValueError("of no user")


@pytest.fixture
def worker_db(keys_db: TestDatabase) -> Iterator[Database]:
    db = keys_db.open("vault_worker_keys", size=1)
    yield db
    db.close()


def begun(keys_db: TestDatabase, state: str) -> dict[str, str]:
    """The one batch of a rotation in this state."""
    rotation = uuid4()
    with keys_db.superuser() as conn:
        conn.execute(
            """INSERT INTO rotations (rotation_id, kind, to_gen, state, started_at)
               VALUES (%s, 'pepper', 2, %s, now())""",
            (rotation, state),
        )
    return {"rotation": str(rotation), "after": str(FIRST), "upto": str(LAST)}


def do(db: Database, batch: dict[str, str], failed: list[str]) -> None:
    app = App(connector=InMemoryConnector())
    Batches(db, cast("KmsClient", Broken()), 10, failed.append).register(app)
    asyncio.run(app.tasks[TASK](**batch))


def test_a_defect_is_told_once_and_goes_behind_the_others_after_a_few_tries(
    keys_db: TestDatabase, worker_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the queue would give the same job out again at once, as fast as it can, and no line said so."""
    monkeypatch.setattr(jobs, "_FIRST_WAIT_S", 0.0)
    batch, failed = begun(keys_db, "running"), list[str]()

    with capture_logs() as logged, pytest.raises(FailedError):
        do(worker_db, batch, failed)

    assert failed == ["ValueError"] * 5
    (line,) = logged
    assert (line["event"], line["error"]) == ("rotation.batch_broke", "builtins.ValueError")
    assert "of no user" not in str(line)


def test_a_batch_of_a_paused_rotation_goes_back_at_once_and_is_no_failure(
    keys_db: TestDatabase, worker_db: Database
) -> None:
    batch, failed = begun(keys_db, "paused"), list[str]()

    with pytest.raises(HeldError):
        do(worker_db, batch, failed)
    assert failed == []
