"""Workers take a rotation from the queue, and it ends whatever happens to them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import running_vault
from tests.rotation.under_way import Turning, set_engine

PEOPLE = 9


@pytest.fixture(scope="module")
def turning(scratch: Path, postgres: TestServer) -> Iterator[Turning]:
    """People whose keys every test here rotates once more; batches of two."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(
            scratch / keys.name, keys, records, lambda vault: set_engine(vault, batch=2), forked=True
        ) as vault,
        Turning.of(vault, PEOPLE) as turning,
    ):
        yield turning


@pytest.fixture
def worker(turning: Turning) -> Iterator[None]:
    process = turning.start_worker()
    yield
    process.stop()


@pytest.mark.usefixtures("worker")
def test_a_rotation_moves_everybody_and_ends(turning: Turning) -> None:
    gen = turning.new_key()
    turning.start()

    done = turning.wait_until_finished()

    assert done.to_gen == gen
    assert (done.users, done.looked_at) == (PEOPLE, PEOPLE)
    assert done.failed == 0
    assert turning.census(gen - 1) == {}
    turning.wait_until(lambda: turning.jobs() == 0)
    assert all(person.opens_with(person.password) for person in turning.people)
