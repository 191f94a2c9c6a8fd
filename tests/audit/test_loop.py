"""The pauses between turns, also while somebody asks for a turn all the time."""

import threading
from dataclasses import dataclass, field
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from vault_service.audit.figures import SealingFigures
from vault_service.audit.loop import SealingLoop
from vault_service.audit.sealing import Sealer
from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.storage.audit.wakeups import Wakeups


class Pauses(threading.Event):
    """Ends at once, and counts; the loop is told to stop after some."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout or 0.0)
        if len(self.seconds) == 20:
            self.set()
        return self.is_set()


@dataclass
class Turns:
    """A sealer's, which end as they are told to."""

    error: VaultError | None
    figures: SealingFigures = field(default_factory=lambda: SealingFigures(CollectorRegistry(), "keys"))
    count: int = 0
    failing: int = 20  # so many of them, if there is an error at all

    def check_start(self) -> None:
        pass

    def turn(self, *, asked: bool) -> bool:
        del asked
        self.count += 1
        assert self.count <= 20, "no pause"
        if self.error is not None and self.count <= self.failing:
            raise self.error
        return False


class Shouting:
    """NOTIFY without end."""

    def wait(self, _timeout_s: float, _stop: threading.Event) -> bool:
        return True

    def close(self) -> None:
        pass


@pytest.mark.parametrize("error", [None, UnavailableError("a witness")], ids=["sealed", "failed"])
def test_whoever_notifies_all_the_time_gets_no_turn_without_a_pause(error: VaultError | None) -> None:
    """A turn costs the token and the witnesses work, and a refused one may leave an event."""
    turns, pauses = Turns(error), Pauses()

    SealingLoop(cast("Sealer", turns), cast("Wakeups", Shouting()), 1.0).run(pauses)

    assert turns.count == len(pauses.seconds)
    assert min(pauses.seconds) > 0


def test_what_keeps_a_log_from_being_sealed_is_said_once_and_again_when_it_is_over() -> None:
    turns, pauses = Turns(UnavailableError("a witness"), failing=7), Pauses()

    with capture_logs() as logged:
        SealingLoop(cast("Sealer", turns), cast("Wakeups", Shouting()), 1.0).run(pauses)

    assert turns.count > 7
    assert [(line["event"], line["n"]) for line in logged] == [("sealing.failed", 1), ("sealing.goes_on", 7)]
