"""Wait for something to become true, rather than for time to pass."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")


def until(look: Callable[[], _T], *, timeout_s: float = 60.0) -> _T:
    """The first true answer of `look`; fails the test when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {look}"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # the second: it was reaped between opening and reading
        return False
