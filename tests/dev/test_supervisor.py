"""The supervisor keeps processes running, stops them in order, and leaves none behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.dev.waiting import is_running, until
from vault_service.dev.child import BackOff

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
_PATIENCE_S = 60.0  # of a machine that does much else


class Supervised:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self, *kinds: str) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.dev.supervised", str(self.folder), *kinds],
            cwd=CHECKOUT, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self.process

    def pids(self) -> dict[str, int]:
        """As announced; waits for the first announcement."""
        return until(self._announced)

    def _announced(self) -> dict[str, int]:
        try:
            found: dict[str, int] = json.loads((self.folder / "pids.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def worker_of(self, name: str) -> int:
        return int((self.folder / f"ended-{name}-worker").read_text())


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    rig = Supervised(tmp_path)
    yield rig
    if rig.process is not None and rig.process.poll() is None:
        rig.process.kill()
        rig.process.wait()
    # A kill -9 of the supervisor leaves these, being grandchildren.
    for note in tmp_path.glob("ended-*-worker"):
        with suppress(ProcessLookupError):
            os.kill(int(note.read_text()), signal.SIGKILL)


def test_a_process_that_is_killed_is_started_again_and_announced_under_its_new_id(
    supervised: Supervised,
) -> None:
    supervised.start()
    before = supervised.pids()

    os.kill(before["leaf"], signal.SIGKILL)
    until(lambda: supervised.pids() != before)
    after = supervised.pids()

    assert after["leaf"] != before["leaf"]
    assert is_running(after["leaf"])
    assert after["base"] == before["base"]


def test_whoever_watches_is_told_which_process_ended_and_how(supervised: Supervised) -> None:
    supervised.start()
    before = supervised.pids()

    os.kill(before["leaf"], signal.SIGKILL)
    until(lambda: supervised.pids() != before)

    log = supervised.folder / "leaf.log"
    assert (supervised.folder / "said").read_text().splitlines() == [
        f"leaf was ended by SIGKILL, and is started again; its log: {log}"
    ]


def test_what_a_killed_process_left_behind_is_killed_before_its_successor_starts(
    supervised: Supervised,
) -> None:
    """An orphaned worker would go on serving on the port that the successor wants."""
    supervised.start()
    before = supervised.pids()
    worker = supervised.worker_of("leaf")

    os.kill(before["leaf"], signal.SIGKILL)
    until(lambda: supervised.pids() != before)

    assert not is_running(worker)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_all_in_reverse_order(supervised: Supervised, number: signal.Signals) -> None:
    process = supervised.start()
    pids = supervised.pids()

    process.send_signal(number)

    assert process.wait(_PATIENCE_S) == 0
    assert (supervised.folder / "ended").read_text().split() == ["leaf", "base"]
    assert not any(is_running(pid) for pid in pids.values())


def test_a_process_that_ignores_its_stop_signal_is_killed(supervised: Supervised) -> None:
    process = supervised.start("stubborn")
    pids = supervised.pids()

    process.terminate()

    assert process.wait(_PATIENCE_S) == 0
    assert not is_running(pids["stubborn"])


def test_a_second_signal_does_not_cut_the_stopping_short(supervised: Supervised) -> None:
    process = supervised.start("stubborn")
    pids = supervised.pids()

    process.terminate()
    process.send_signal(signal.SIGINT)

    assert process.wait(_PATIENCE_S) == 0
    assert not any(is_running(pid) for pid in pids.values())


def test_a_supervisor_that_is_killed_leaves_no_process(supervised: Supervised) -> None:
    process = supervised.start("stubborn")
    pids = supervised.pids()

    process.kill()
    process.wait()

    until(lambda: not any(is_running(pid) for pid in pids.values()))


def test_a_process_that_dies_at_its_start_ends_the_start_with_its_last_words(supervised: Supervised) -> None:
    process = supervised.start("broken")
    _, said = process.communicate(timeout=_PATIENCE_S)

    assert process.returncode == 1
    assert "broken ended at its start" in said
    assert "broken: the reason" in said
    assert (supervised.folder / "ended").read_text().split() == ["leaf", "base"]


def test_one_that_ended_well_is_followed_at_once_however_often_and_nobody_is_alarmed(
    supervised: Supervised,
) -> None:
    """As ceremonies are: with a back-off the ninth would be ten seconds late."""
    supervised.start("once")
    successors: set[int] = set()

    def ten() -> bool:
        successors.add(supervised.pids()["once"])
        return len(successors) == 10

    (supervised.folder / "ended-go").touch()
    until(ten)

    assert not (supervised.folder / "said").exists() or (supervised.folder / "said").read_text() == ""


def test_a_process_that_keeps_dying_is_started_more_and_more_rarely() -> None:
    back_off = BackOff()

    waits = [back_off.next_wait_s(ran_s=0.1) for _ in range(9)]

    assert waits == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_process_that_had_been_running_for_long_is_started_at_once() -> None:
    back_off = BackOff()
    for _ in range(9):
        back_off.next_wait_s(ran_s=0.1)

    assert back_off.next_wait_s(ran_s=31.0) == 0.0
