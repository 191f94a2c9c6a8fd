"""How often people who are not signed in may have the key service work for the page.

For an app's routes a caller needs the app's key. On the page anybody on the network has one, in effect: each
form costs an Argon2 of the key service, whose memory all apps share. So all strangers together get less
than it can bear: a flood closes the page's forms for as long as it lasts, and nothing else.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Self

from vault_service.domain.errors import ThrottledError
from vault_service.policy.page_rules import UserPageRule


@dataclass(slots=True)
class StrangersBudget:
    """A bucket of forms, refilled by time. Thread-safe; one a process."""

    per_s: float
    burst: float
    _left: float = field(init=False)
    _since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Full at first."""
        self._left = self.burst

    @classmethod
    def of(cls, rule: UserPageRule) -> Self:
        """As the policy has it."""
        return cls(rule.strangers_per_s, float(rule.strangers_burst))

    def spend(self) -> None:
        """One form. Raises ThrottledError."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self.burst, self._left + (now - self._since) * self.per_s)
            self._since = now
            if self._left < 1:
                raise ThrottledError("too many people are at this page at present", retry_after_s=1)
            self._left -= 1
