"""P9: workers, the key service, its token, the database die or go away; a rotation goes on where it was."""

import pytest

from tests.rig.postgres import TestServer
from tests.rotation.dying import PLACES
from tests.rotation.under_way import Turning

BATCHES = 5  # nine people, two at a time
DAY_S = 86_400.0


@pytest.mark.parametrize("place", PLACES[:3])
def test_a_worker_is_killed_at_every_batch(turning: Turning, place: str) -> None:
    """The next one does what this one had begun, and dies in the batch after that."""
    gen = turning.new_key()
    turning.start(workers=1)
    for number in range(BATCHES):
        worker = turning.start_worker(dies=place, at=1 if number == 0 else 2)
        turning.wait_until_dead(worker)

    turning.start_worker()
    done = turning.wait_until_finished()
    turning.vault.running["rotation"].stop()

    assert BATCHES * 2 - 1 <= done.looked_at <= BATCHES * 2 + 2 * BATCHES
    turning.assert_everybody_is_on(gen)


def test_a_dead_worker_of_whom_a_heartbeat_is_of_the_future_holds_up_nobody(turning: Turning) -> None:
    """The database's clock was set back an hour since."""
    gen = turning.new_key()
    turning.start(workers=1)
    turning.wait_until_ended(turning.start_worker(dies=PLACES[0]))
    turning.as_superuser("UPDATE jobs.procrastinate_workers SET last_heartbeat = now() + interval '1 hour'")

    turning.start_worker()
    turning.wait_until_finished()
    turning.vault.running["rotation"].stop()

    turning.assert_everybody_is_on(gen)


@pytest.mark.parametrize("place", PLACES[3:])
def test_a_worker_is_killed_while_it_plans(turning: Turning, place: str) -> None:
    """Jobs are there as often as their range was handed out: once."""
    gen = turning.new_key()
    turning.start()
    turning.wait_until_dead(turning.start_worker(dies=place))

    turning.start_worker()
    done = turning.wait_until_finished()
    turning.vault.running["rotation"].stop()

    assert done.looked_at == len(turning.people)
    turning.assert_everybody_is_on(gen)


def test_the_key_service_is_killed_within_batches(turning: Turning) -> None:
    gen = turning.new_key()
    worker = turning.start_worker()
    turning.start(workers=1)
    for step in (1, 3, 5):
        turning.vault.running["kms"].kill()
        count = turning.vault.home / "steps"
        kms = turning.vault.start_killable_kms("rewrap_batch", step, count)
        count.touch()
        turning.wait_until_ended(kms)
        count.unlink()

    turning.vault.start_forked_kms()
    done = turning.wait_until_finished()
    worker.stop()

    assert done.looked_at == len(turning.people)
    turning.assert_everybody_is_on(gen)


def test_the_database_is_restarted(turning: Turning, postgres: TestServer) -> None:
    """Its workers' connections break, and what they had begun cannot be told as done."""
    gen = turning.new_key()
    worker = turning.start_worker()
    turning.start(rate=2)
    turning.wait_until(lambda: turning.newest().looked_at > 0)
    before = turning.newest().looked_at

    postgres.stop()
    postgres.start()
    turning.wait_until(lambda: turning.newest().looked_at > before)
    turning.resume(rate=0)
    turning.wait_until_finished()
    assert worker.popen.poll() is None
    worker.stop()
    turning.assert_everybody_is_on(gen)


def test_the_token_is_away_and_back(turning: Turning) -> None:
    gen = turning.new_key()
    worker = turning.start_worker()
    turning.start(rate=1)
    turning.wait_until(lambda: turning.newest().looked_at > 0)
    said = worker.log.stat().st_size  # some of it by workers of other tests
    tokens = turning.vault.home / "tokens" / "online" / "objects"

    away = tokens.rename(tokens.with_name("away"))
    turning.resume(rate=0)
    turning.wait_until(lambda: b"rotation.batch_waits" in worker.log.read_bytes()[said:])
    looked_at = turning.newest().looked_at
    away.rename(tokens)

    done = turning.wait_until_finished()
    worker.stop()
    assert looked_at < len(turning.people)
    assert done.failed == 0
    turning.assert_everybody_is_on(gen)


@pytest.mark.parametrize("ahead_s", [DAY_S, -DAY_S])
def test_a_workers_clock_is_wrong(turning: Turning, ahead_s: float) -> None:
    """It gives back what it has begun when it is stopped: others take that up at once, not in a day."""
    gen = turning.new_key()
    turning.start(rate=1, workers=64)
    turning.as_superuser("UPDATE rotations SET next_at = now() + interval '1 hour'")  # a turn in two minutes
    wrong = turning.start_worker(ahead_s=ahead_s)
    turning.wait_until(lambda: turning.jobs("doing") > 0)
    wrong.stop()

    assert turning.jobs("doing") == 0
    assert turning.newest().looked_at == 0
    turning.resume(rate=0)
    turning.start_worker(ahead_s=ahead_s)
    done = turning.wait_until_finished()
    turning.vault.running["rotation"].stop()

    assert done.looked_at == len(turning.people)
    turning.assert_everybody_is_on(gen)
