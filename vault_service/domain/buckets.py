"""How often something may be done: buckets of calls, refilled by time."""

import threading
import time
from collections.abc import Hashable


class Buckets:
    """One bucket a caller, full at first; None for all together. Thread-safe, and of one process alone."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._lock = threading.Lock()
        self._left: dict[Hashable, tuple[float, float]] = {}  # caller -> (calls left, when that was)

    def take(self, caller: Hashable) -> bool:
        """Take one call; False when none is left."""
        now = time.monotonic()
        with self._lock:
            left, then = self._left.get(caller, (self._burst, now))
            left = min(self._burst, left + (now - then) * self._per_s)
            self._left[caller] = (left - 1 if left >= 1 else left, now)
            return left >= 1

    def give_back(self, caller: Hashable) -> None:
        """A call that was taken is to count as none."""
        with self._lock:
            if caller in self._left:
                left, then = self._left[caller]
                self._left[caller] = (left + 1, then)
