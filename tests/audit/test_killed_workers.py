"""Workers that are killed, two at once, with many writers: no leaf is lost, doubled or skipped."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest

from tests.audit.sequencer import start
from tests.audit.trail import SEALERS, WRITERS, drain, sealed, write_event, write_many
from tests.dev.waiting import until
from tests.rig.postgres import TestDatabase
from vault_service.storage.roles import Side

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SIDE: Side = "records"
WRITERS_AT_ONCE = 50
EVENTS_EACH = 200


def leaves(database: TestDatabase) -> int:
    with database.superuser() as conn:
        row = conn.execute("SELECT size FROM audit_tree").fetchone()
    assert row is not None
    return int(str(row[0]))


def test_fifty_writers_and_two_workers_that_are_killed_at_random(records_db: TestDatabase) -> None:
    dice = random.Random(8)  # which worker when; what it is doing then differs from run to run
    over = threading.Event()

    def keep_killing() -> None:
        workers = [start(records_db, limit=97) for _ in range(2)]
        before = 0
        while not over.wait(dice.uniform(0.3, 1.2)):
            if (size := leaves(records_db)) == before:  # a busy machine: nobody has been at work since
                continue
            before = size
            victim = dice.randrange(2)
            workers[victim].kill()
            workers[victim].wait()
            workers[victim] = start(records_db, limit=97)
        for worker in workers:
            worker.kill()
            worker.wait()

    def write(number: int) -> list[UUID]:
        """Some alone, some several in a transaction, some taken back."""
        dice = random.Random(number)
        written: list[UUID] = []
        with records_db.connect(WRITERS[SIDE]) as conn:
            while len(written) < EVENTS_EACH:
                conn.execute("BEGIN")
                events = [
                    write_event(conn, SIDE)
                    for _ in range(min(dice.randint(1, 5), EVENTS_EACH - len(written)))
                ]
                if dice.random() < 0.1:
                    conn.execute("ROLLBACK")
                    continue
                conn.execute("COMMIT")
                written += events
                time.sleep(dice.uniform(0, 0.1))  # so that workers come, are killed, and come again
        return written

    killer = threading.Thread(target=keep_killing)
    killer.start()
    with ThreadPoolExecutor(WRITERS_AT_ONCE) as threads:
        written = [event for each in threads.map(write, range(WRITERS_AT_ONCE)) for event in each]
    until(lambda: leaves(records_db) > 0)
    over.set()
    killer.join()
    db = records_db.open(SEALERS[SIDE], size=1)
    drain(db, SIDE)
    db.close()

    log = sealed(records_db)
    log.assert_sound(written)
    assert log.size == WRITERS_AT_ONCE * EVENTS_EACH


def test_killed_after_each_round_trip_a_worker_leaves_a_sound_log(
    records_db: TestDatabase, tmp_path: Path
) -> None:
    """Leaves, tiles and the row that says where the tree ends change together or not at all."""
    count = tmp_path / "count"
    db = records_db.open(SEALERS[SIDE], size=1)
    total = 0
    for step in range(1, 60):
        write_many(records_db, 5)
        total += 5
        worker = start(records_db, limit=3, kill_at=step, count=count)
        worker.wait(60)
        if count.exists():
            break
        with records_db.superuser() as conn:
            row = conn.execute(
                "SELECT (SELECT count(*) FROM audit_leaves) - (SELECT size FROM audit_tree)"
            ).fetchone()
        assert row == (0,), f"killed after step {step}"
        drain(db, SIDE)
        sealed(records_db).assert_sound()
    else:
        raise AssertionError("a drain has no end")
    db.close()
    assert int(count.read_text()) > 4
    sealed(records_db).assert_sound()
    assert sealed(records_db).size == total
