"""How many one-time passwords this process lets be redeemed: it takes no app key, so anybody may ask.

The key service counts them as well, for whatever host; but there each is also a call of this host's, of the
budget that everybody's sign-ins share, and here it is an intent that is written and taken back. So what is
beyond the same rule ends here, before it costs anything.
"""

import threading
import time
from dataclasses import dataclass, field

from vault_service.domain.errors import ThrottledError
from vault_service.policy.rules import BudgetRule


@dataclass(slots=True)
class Redeeming:
    """A bucket, full at first and refilled by time. Thread-safe; one a process."""

    _taken: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, rule: BudgetRule) -> None:
        """One. Raises ThrottledError."""
        with self._lock:
            now = time.monotonic()
            self._taken = max(0.0, self._taken - (now - self._since) * rule.keyless_calls_per_s)
            self._since = now
            if self._taken + 1 > rule.keyless_burst:
                raise ThrottledError("too many one-time passwords are being redeemed", retry_after_s=1)
            self._taken += 1
