"""What costs a little to find out and is the same for everybody: found out once in a while."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
GOOD_FOR_S = 15.0


@dataclass(slots=True)
class Remembered(Generic[T]):
    """Thread-safe; one a process. While one thread finds out, others wait for it."""

    clock: Callable[[], float] = time.monotonic
    good_for_s: float = GOOD_FOR_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: tuple[float, T] | None = None

    def get(self, find: Callable[[], T]) -> T:
        """What was found not long ago, or what is found now. Raises what `find` raises, and keeps nothing."""
        with self._lock:
            if self._found is None or self.clock() - self._found[0] > self.good_for_s:
                found = find()
                self._found = (self.clock(), found)
            return self._found[1]
