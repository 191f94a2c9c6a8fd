"""How many calls each app may make of this process: a token bucket each, refilled by time."""

import threading
import time

from vault_service.domain.errors import ThrottledError
from vault_service.domain.ids import AppId
from vault_service.policy.rules import BudgetRule


class Budgets:
    """A captured API host or a runaway app cannot spend more than its app's share."""

    def __init__(self, rule: BudgetRule) -> None:
        self._rule = rule
        self._lock = threading.Lock()
        self._left: dict[AppId, tuple[float, float]] = {}  # app -> (calls left, when that was)

    def spend(self, app: AppId) -> None:
        """Take one call. Raises ThrottledError when none is left."""
        now = time.monotonic()
        with self._lock:
            left, then = self._left.get(app, (float(self._rule.app_burst), now))
            left = min(float(self._rule.app_burst), left + (now - then) * self._rule.app_calls_per_s)
            if left < 1:
                self._left[app] = (left, now)
                raise ThrottledError("this app has used up its budget of calls", retry_after_s=1)
            self._left[app] = (left - 1, now)
