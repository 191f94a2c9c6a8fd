"""The worker's tasks: each at its time, and a failing one neither ends the others nor fills the log."""

import threading

import pytest
from structlog.testing import capture_logs

from vault_service.domain.errors import TokenUnavailableError
from vault_service.worker import Task, run_tasks


class Stop(threading.Event):
    """Waits for nothing."""

    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return self.is_set()


@pytest.mark.parametrize("failing", [1, 200])
def test_a_task_that_fails_is_said_once_and_again_when_it_is_over(failing: int) -> None:
    """The witness tries twice a second for as long as the token is away."""
    stop = Stop()
    tries: list[str] = []

    def task() -> None:
        tries.append("try")
        if len(tries) <= failing:
            raise TokenUnavailableError("the token")
        stop.set()

    with capture_logs() as logged:
        run_tasks((Task("witness", 0.0, task, retry_s=0.0),), stop)

    assert len(tries) == failing + 1
    assert [(line["event"], line["task"], line["n"]) for line in logged] == [
        ("worker.task_failed", "witness", 1),
        ("worker.task_goes_on", "witness", failing),
    ]


def test_a_failing_task_holds_up_no_other_one() -> None:
    stop = Stop()
    done: list[str] = []

    def fail() -> None:
        raise TokenUnavailableError("the token")

    def work() -> None:
        done.append("work")
        if len(done) == 3:
            stop.set()

    run_tasks((Task("fails", 0.0, fail), Task("works", 0.0, work)), stop)

    assert done == ["work"] * 3


def test_a_defect_in_one_task_is_said_with_its_place_and_ends_no_other() -> None:
    """Else one row that nobody foresaw would end the process, as often as it is started again."""
    stop = Stop()
    done: list[str] = []

    def work() -> None:
        done.append("work")
        if len(done) == 3:
            stop.set()

    with capture_logs() as logged:
        run_tasks((Task("broken", 0.0, lambda: int("of no user")), Task("works", 0.0, work)), stop)

    assert done == ["work"] * 3
    (line,) = logged
    assert (line["event"], line["task"], line["error"]) == (
        "worker.task_broke", "broken", "builtins.ValueError"
    )  # fmt: skip
    assert "of no user" not in str(line)


def test_a_defect_ends_whoever_must_not_go_on_without_the_task() -> None:
    """The key service's look for a database that was put back: unwatched it must serve nobody."""
    tasks = (Task("broken", 0.0, lambda: int("of no user")), Task("works", 0.0, lambda: 0))

    with pytest.raises(ValueError, match="of no user"):
        run_tasks(tasks, Stop(), ends_with_defect=True)
