"""How many refused sign-ins the audit log gets: enough to see an attack by, too few to drown it.

Whoever reaches the sign-in page can be refused as often as they like, with nothing to show for it but rows
in a log that is kept for ever. So after `most` in a minute the rest are counted in the process's log only.
A sign-in that is good is never refused for it: no crowd locks an officer out.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

_MINUTE_S = 60.0


@dataclass(slots=True)
class Budget:
    """Thread-safe; one a process."""

    most: int
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _spent: deque[float] = field(default_factory=deque[float])

    def spend(self) -> bool:
        """Whether there is one left in this minute."""
        now = self.clock()
        with self._lock:
            while self._spent and self._spent[0] <= now - _MINUTE_S:
                self._spent.popleft()
            if len(self._spent) >= self.most:
                return False
            self._spent.append(now)
            return True
