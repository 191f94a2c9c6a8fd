"""Past the policy's limits of what is not sealed nobody is signed in; it ends by itself."""

from dataclasses import dataclass, field

import pytest

from vault_service.domain.audit_errors import UnsealedError
from vault_service.domain.logs import LogName
from vault_service.kms.limits.sealing_watch import SealedReport, SealingWatch
from vault_service.policy.rules import SealingRule

RULE = SealingRule(interval_s=1, batch=100, refresh_s=10, max_unsealed_events=50, max_unsealed_s=300)
LOGS: tuple[LogName, ...] = ("keys", "records")


@dataclass
class Clock:
    """Moves when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """A watch whose logs are sealed whenever a test says so."""

    clock: Clock = field(default_factory=Clock)
    watch: SealingWatch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = SealingWatch(RULE, self.clock)

    def report(
        self, *logs: LogName, size: int = 0, unsealed: int = 0, waited_s: float = 0.0, proved: bool = True
    ) -> None:
        for log in logs or LOGS:
            self.watch.reported(log, SealedReport(size, unsealed, waited_s, proved))

    def after(self, seconds: float) -> bool:
        """May people sign in that much later?"""
        self.clock.now += seconds
        try:
            self.watch.demand()
        except UnsealedError:
            return False
        return True


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_workers_may_start_later_than_the_key_service_but_not_never(watched: Watched) -> None:
    assert watched.after(300)
    assert not watched.after(1)
    watched.report()
    assert watched.after(0), "it ends by itself"


@pytest.mark.parametrize("silent", LOGS)
def test_a_worker_that_falls_silent_counts_as_one_that_seals_nothing(
    watched: Watched, silent: LogName
) -> None:
    (other,) = set(LOGS) - {silent}
    watched.report()
    for _ in range(3):
        assert watched.after(100)
        watched.report(other)
    assert not watched.after(1)
    watched.report(silent)
    assert watched.after(0)


@pytest.mark.parametrize("log", LOGS)
def test_too_many_events_close_the_door_until_they_are_sealed(watched: Watched, log: LogName) -> None:
    watched.report()
    watched.report(log, unsealed=50)
    assert watched.after(0)
    watched.report(log, unsealed=51)
    assert not watched.after(0)
    watched.report(log, unsealed=2)
    assert watched.after(0)


@pytest.mark.parametrize("log", LOGS)
def test_an_event_that_has_waited_too_long_closes_the_door(watched: Watched, log: LogName) -> None:
    watched.report()
    watched.report(log, unsealed=1, waited_s=295)
    assert watched.after(5)
    assert not watched.after(1)


def test_a_report_that_proves_nothing_wins_no_time(watched: Watched) -> None:
    """A worker whose heads nobody cosigns says so, but is not believed to be sealing."""
    watched.report()
    assert watched.after(300)
    watched.report(proved=False)
    assert not watched.after(1)


def test_events_that_the_worker_conceals_are_counted_here(watched: Watched) -> None:
    """Whoever holds the keys side's worker cannot report that nothing waits."""
    watched.report(size=1000)
    watched.watch.counted(1000, 50)
    watched.report(size=1000, unsealed=0)
    assert watched.after(0)
    watched.watch.counted(1020, 31)
    watched.report(size=1000, unsealed=0)
    assert not watched.after(0)
    watched.report(size=1040)
    assert watched.after(0)


def test_the_oldest_event_that_no_head_covers_is_what_counts(watched: Watched) -> None:
    watched.report(size=10)
    for second in range(1, 5):
        watched.clock.now += 100
        watched.watch.counted(10 + second, 0)  # one event more, every hundred seconds
        watched.report(size=10 + second - 1)  # and each sealed a hundred seconds later
        assert watched.after(0)
    watched.clock.now += 301
    watched.report(size=13)
    assert not watched.after(0)
    watched.report(size=14)
    assert watched.after(0)


def test_a_tree_of_before_the_start_waits_for_the_first_report(watched: Watched) -> None:
    """How much of it a head covers is not known yet; what is not even in it is not sealed, though."""
    watched.watch.counted(1_000_000, 50)
    assert watched.after(0)
    watched.watch.counted(1_000_051, 0)
    assert not watched.after(0)
    watched.report(size=1_000_050)
    assert watched.after(0)


def test_a_key_service_that_starts_with_a_backlog_serves_nobody_yet(watched: Watched) -> None:
    watched.watch.counted(1_000_000, 51)
    assert not watched.after(0)
    watched.report(size=1_000_051)
    watched.watch.counted(1_000_051, 0)
    assert watched.after(0)


def test_a_long_outage_is_watched_in_bounded_memory(watched: Watched) -> None:
    watched.report(size=0)
    for total in range(1, 5000):
        watched.watch.counted(0, total)
    (keys, _) = watched.watch.logs()
    assert keys.unsealed == 4999
    assert len(watched.watch._own.counts) <= 1000
    watched.report(size=4999)
    assert watched.watch._own.waited_s(watched.clock.now) == 0


def test_an_accepted_restore_gives_the_worker_its_time_anew(watched: Watched) -> None:
    watched.report(size=900)
    watched.watch.counted(900, 40)
    assert not watched.after(301)
    watched.watch.begin_again("keys")
    watched.report("records")
    watched.watch.counted(500, 0)
    assert watched.after(300)
    assert not watched.after(1)
