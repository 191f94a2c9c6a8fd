"""Workers take a rotation from the queue: as fast as they are told, and never when they are told not to."""

import pytest

from tests.rotation.under_way import Turning
from vault_service.domain.events import KeysEvent
from vault_service.domain.rotation_errors import NoRotationError, NothingToRotateError, RotationBusyError

PEOPLE = 9


def events(turning: Turning) -> set[KeysEvent]:
    found = turning.as_superuser("SELECT DISTINCT kind FROM audit_events WHERE digest IS NOT NULL")
    return {KeysEvent(int(str(row[0]))) for row in found}


@pytest.mark.usefixtures("worker")
def test_a_rotation_moves_everybody_and_ends(turning: Turning) -> None:
    gen = turning.new_key()
    turning.start()

    done = turning.wait_until_finished()

    assert (done.to_gen, done.users, done.looked_at, done.failed) == (gen, PEOPLE, PEOPLE, 0)
    turning.assert_everybody_is_on(gen)
    turning.wait_until(lambda: turning.jobs() == 0)
    with pytest.raises(NothingToRotateError):
        turning.start()


def test_a_second_rotation_of_a_kind_is_refused(turning: Turning) -> None:
    gen = turning.new_key()
    begun = turning.start().started_at

    with pytest.raises(RotationBusyError, match=f"to generation {gen}, begun {begun}, running"):
        turning.start()
    turning.pause()
    with pytest.raises(RotationBusyError, match=f"to generation {gen}, begun {begun}, paused"):
        turning.start()
    turning.resume()
    worker = turning.start_worker()
    turning.wait_until_finished()
    worker.stop()


@pytest.mark.usefixtures("worker")
def test_what_is_paused_goes_no_further_and_what_is_resumed_ends(turning: Turning) -> None:
    turning.new_key()
    turning.start(rate=1)  # two users a batch: one batch every two seconds
    turning.wait_until(lambda: turning.newest().looked_at > 0)

    paused = turning.pause()
    held = "SELECT scheduled_at > now() + interval '1 year' FROM jobs.procrastinate_jobs"
    turning.wait_until(lambda: turning.jobs() > 0 and all(row[0] for row in turning.as_superuser(held)))

    assert turning.pause() == paused
    assert turning.newest() == paused
    turning.resume(rate=0)
    done = turning.wait_until_finished()
    assert done.looked_at == PEOPLE
    turning.assert_everybody_is_on(done.to_gen)
    assert events(turning) >= {
        KeysEvent.ROTATION_STARTED, KeysEvent.ROTATION_PAUSED, KeysEvent.ROTATION_RESUMED,
        KeysEvent.ROTATION_FINISHED,
    }  # fmt: skip


@pytest.mark.usefixtures("worker")
def test_nothing_can_be_paused_or_resumed_that_is_not_under_way(turning: Turning) -> None:
    """Whoever comes too late with it hears that it has ended, rather than that there was none."""
    gen = turning.new_key()
    turning.start()
    turning.wait_until_finished()

    with pytest.raises(NoRotationError, match=f"the last one, to generation {gen}, begun .*, has ended"):
        turning.pause()
    with pytest.raises(NoRotationError):
        turning.resume()


@pytest.mark.usefixtures("worker")
def test_jobs_that_say_anything_else_are_dropped_and_hold_up_nobody(turning: Turning) -> None:
    """Whoever has the worker's role can write them, before all others and in any lane."""
    gen = turning.new_key()
    with turning.vault.keys.connect("vault_worker_keys") as conn:
        for task, args in (
            ("rewrap_batch", '{"rotation": "no uuid", "after": 1}'),
            ("rewrap_batch", '{"rotation": "ffffffff-ffff-ffff-ffff-ffffffffffff"}'),
            ("rewrap_batch", "{}"),
            ("rewrap_batch", '{"self": 1}'),
            ("os.system", '{"command": "id"}'),
            (
                "rewrap_batch",
                """{"rotation": "ffffffff-ffff-ffff-ffff-ffffffffffff",
                    "after": "ffffffff-ffff-ffff-ffff-ffffffffffff",
                    "upto": "00000000-0000-0000-0000-000000000000"}""",
            ),
        ):
            conn.execute(
                """INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, priority, lock, args)
                   VALUES ('rotation', %(task)s, 100, '', %(args)s::jsonb)""",
                {"task": task, "args": args},
            )
        conn.execute("SELECT pg_notify('procrastinate_any_queue_v1', 'no json')")
    turning.start()

    turning.wait_until_finished()

    turning.assert_everybody_is_on(gen)
    turning.wait_until(lambda: turning.jobs() == 0)


@pytest.mark.usefixtures("worker")
def test_jobs_that_somebody_deletes_only_make_it_later(turning: Turning) -> None:
    """The key service looks for itself whether anybody is left behind, whatever the plan says."""
    gen = turning.new_key()
    turning.start(rate=4)
    turning.wait_until(lambda: turning.jobs("doing") > 0)
    with turning.vault.keys.connect("vault_worker_keys") as conn:
        gone = conn.execute("DELETE FROM jobs.procrastinate_jobs WHERE status = 'todo'").rowcount
        conn.execute(
            "UPDATE rotation_plans SET upto = 'ffffffff-ffff-ffff-ffff-ffffffffffff', not_before = now()"
        )
    turning.resume(rate=0)

    turning.wait_until_finished()

    assert gone > 0
    turning.assert_everybody_is_on(gen)
