"""How many calls each app and each calling host may make of this process: buckets, refilled by time.

They are counted here and not at the API, so that a captured API host cannot lift a limit.
"""

import threading
import time
from collections.abc import Hashable

from vault_service.domain.errors import ThrottledError
from vault_service.domain.ids import AppId
from vault_service.policy.rules import BudgetRule


class _Buckets:
    """One bucket a caller, full at first."""

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


class Budgets:
    """Raises ThrottledError once a share is used up."""

    def __init__(self, rule: BudgetRule) -> None:
        self._apps = _Buckets(rule.app_calls_per_s, rule.app_burst)
        self._hosts = _Buckets(rule.host_calls_per_s, rule.host_burst)
        self._keyless = _Buckets(rule.keyless_calls_per_s, rule.keyless_burst)

    def spend(self, app: AppId) -> None:
        """One call of an app whose key was checked."""
        if not self._apps.take(app):
            raise ThrottledError("this app has used up its budget of calls", retry_after_s=1)

    def spend_keyless(self) -> None:
        """One call that anybody on the network can cause; a flood of them must not crowd out the others."""
        if not self._keyless.take(None):
            raise ThrottledError("too many one-time passwords are being redeemed", retry_after_s=1)

    def spend_host(self, peer: str) -> None:
        """One call of a host, known by what it is for and its certificate or its user on this machine."""
        if not self._hosts.take(peer):
            raise ThrottledError("this host has used up its budget of calls", retry_after_s=1)
