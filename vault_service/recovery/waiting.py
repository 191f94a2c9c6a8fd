"""Let the waiting periods of cases run: by ticks of the keys side's worker, whatever clocks show."""

import time
from collections.abc import Callable

from vault_service.domain.case import CASE_KINDS
from vault_service.policy.recovery_rules import RecoveryPolicy
from vault_service.storage.keys.executing import let_cases_wait
from vault_service.storage.pool import Database

EVERY_S = 1.0  # s
_LONGEST_TICK_S = 60.0  # s; a host that was suspended saw no time pass


class Waiting:
    """Lets waiting periods run by a clock that nobody can set: the time since the last tick."""

    def __init__(
        self, db: Database, rules: RecoveryPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._db = db
        self._longest_s = max(rules.waiting_of(kind) for kind in CASE_KINDS)
        self._clock = clock
        self._last: float | None = None

    def tick(self) -> int:
        """Add what has passed since the last tick, at most a minute; returns to how many cases.

        What passed before this process began, or while the database was away, is not made up for: then
        nobody was there to see it pass. Raises UnavailableError.
        """
        now, last = self._clock(), self._last
        self._last = now
        if last is None or now <= last:
            return 0
        with self._db.connection() as conn:
            return let_cases_wait(conn, min(now - last, _LONGEST_TICK_S), self._longest_s)
