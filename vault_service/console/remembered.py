"""What costs a little to find out and is the same for everybody: found out once in a while, beside the page.

In the middle of an incident, when a part hangs for many seconds, no page of an officer hangs with it: it
shows what was known before.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
GOOD_FOR_S = 15.0
WAIT_S = 3.0


@dataclass(slots=True)
class Remembered(Generic[T]):
    """Thread-safe; one a process. One thread at a time finds out, whoever asks."""

    clock: Callable[[], float] = time.monotonic
    good_for_s: float = GOOD_FOR_S
    wait_s: float = WAIT_S
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _found: tuple[float, T] | None = None
    _looking: "Future[T] | None" = None

    def get(self, find: Callable[[], T], meanwhile: T) -> T:
        """What was found not long ago, or what is found now; if that takes long, what was known before.

        `meanwhile`: where nothing was. Raises what `find` raises, and remembers nothing of it.
        """
        with self._lock:
            if self._found is not None and self.clock() - self._found[0] <= self.good_for_s:
                return self._found[1]
            if self._looking is None:
                self._looking = Future()
                # daemon: a part that hangs must not keep the process from ending.
                looking = (find, self._looking)
                threading.Thread(target=self._look, args=looking, name="find out", daemon=True).start()
            looking_now = self._looking
        try:
            return looking_now.result(self.wait_s)
        except TimeoutError:
            return meanwhile if self._found is None else self._found[1]

    def _look(self, find: Callable[[], T], looking: "Future[T]") -> None:
        try:
            found = find()
        except BaseException as error:  # noqa: BLE001  # told to whoever waits
            self._end(None)
            looking.set_exception(error)
        else:
            self._end((self.clock(), found))
            looking.set_result(found)

    def _end(self, found: tuple[float, T] | None) -> None:
        with self._lock:
            self._looking = None
            self._found = found or self._found
