"""Is the trail sealed in time? Past the policy's limits nobody is signed in until it is.

Of the records log the key service knows what that side's worker reports, and proves by a note; of the
keys log it also counts its own database. A worker that says nothing counts as one that seals nothing
since it last proved something, or since this process began. All times are of a monotonic clock, so
that nobody moves a limit by moving the time of day.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vault_service.domain.audit_errors import UnsealedError
from vault_service.domain.logs import LOGS, LogName
from vault_service.kms.protocol.messages import LogSealing
from vault_service.policy.rules import SealingRule

Monotonic = Callable[[], float]  # seconds

_MOST_COUNTS = 1000


@dataclass(frozen=True, slots=True)
class SealedReport:
    """What a worker told, checked."""

    sealed_size: int  # leaves of the newest head that counts
    unsealed: int
    oldest_unsealed_s: float
    proved: bool  # by a note, or there is nothing that could be proved yet
    cosigned_at: int | None = None  # POSIX seconds, by the witnesses' clocks; None: no such note


@dataclass
class _Log:
    """One log, as far as is known."""

    proved_at: float  # when its worker last proved how far it has got
    waited_s: float = 0.0  # how long its oldest unsealed event had waited then
    unsealed: int = 0
    sealed_size: int = 0
    reported_at: float | None = None
    cosigned_at: int | None = None


@dataclass
class _OwnCount:
    """Events of the own database: how many there were when. Sealed is what a head covers."""

    sealed: int | None = None  # events that count as sealed; None before the first count
    total: int = 0
    counts: deque[tuple[float, int]] = field(default_factory=lambda: deque[tuple[float, int]]())

    def count(self, size: int, waiting: int, now: float) -> None:
        total = size + waiting
        if self.sealed is None:
            self.sealed = size  # until the first report tells how much of the tree a head covers
        if total < self.total:  # another database than before
            self.counts.clear()
            self.sealed = min(self.sealed, total)
        if total > max(self.total, self.sealed):
            if len(self.counts) == _MOST_COUNTS:
                # Those newest events seem to have waited longer than they have: the safe side.
                now = self.counts.pop()[0]
            self.counts.append((now, total))
        self.total = total

    def seal(self, size: int) -> None:
        self.sealed = size
        while self.counts and self.counts[0][1] <= size:
            self.counts.popleft()

    def unsealed(self) -> int:
        return max(0, self.total - (self.sealed or 0))

    def waited_s(self, now: float) -> float:
        return now - self.counts[0][0] if self.counts else 0.0


class SealingWatch:
    """Thread-safe; one a process."""

    def __init__(self, rule: SealingRule, clock: Monotonic = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._lock = threading.Lock()
        self._logs = {log: _Log(clock()) for log in LOGS}
        self._own = _OwnCount()

    def counted(self, size: int, waiting: int) -> None:
        """How many events the keys log has in its tree, and how many are not in it yet."""
        with self._lock:
            self._own.count(size, waiting, self._clock())

    def reported(self, log: LogName, report: SealedReport) -> None:
        """What the log's worker told."""
        with self._lock:
            known, now = self._logs[log], self._clock()
            known.reported_at = now
            known.unsealed = report.unsealed
            known.sealed_size = report.sealed_size
            known.cosigned_at = report.cosigned_at  # the newest note's, not the latest: a jump passes
            if report.proved:
                known.proved_at, known.waited_s = now, report.oldest_unsealed_s
            if log == "keys":
                self._own.seal(report.sealed_size)

    def cosigned_at(self, log: LogName) -> int | None:
        """What witnesses' clocks showed when the newest head that was reported was cosigned (POSIX seconds).

        Of as many as the policy demands, the earliest. None: nothing is known.
        """
        with self._lock:
            return self._logs[log].cosigned_at

    def begin_again(self, log: LogName) -> None:
        """A restore was accepted: the log has another end now, and its worker gets its time anew."""
        with self._lock:
            self._logs[log] = _Log(self._clock())
            if log == "keys":
                self._own = _OwnCount()

    def demand(self) -> None:
        """Raises UnsealedError past a limit."""
        rule = self._rule
        for each in self.logs():
            if each.unsealed > rule.max_unsealed_events:
                raise UnsealedError(f"{each.unsealed} events of the {each.log} log are not sealed")
            if each.oldest_unsealed_s > rule.max_unsealed_s:
                waited = int(each.oldest_unsealed_s)
                raise UnsealedError(
                    f"nothing shows that the {each.log} log was sealed in the last {waited} s"
                )

    def logs(self) -> tuple[LogSealing, ...]:
        """Both, as health tells it."""
        with self._lock:
            now = self._clock()
            return tuple(self._state(log, now) for log in LOGS)

    def _state(self, log: LogName, now: float) -> LogSealing:
        known = self._logs[log]
        unsealed, waited = known.unsealed, known.waited_s + now - known.proved_at
        if log == "keys":
            unsealed = max(unsealed, self._own.unsealed())
            waited = max(waited, self._own.waited_s(now))
        return LogSealing(
            log=log, sealed_size=known.sealed_size, unsealed=unsealed, oldest_unsealed_s=waited,
            reported_s_ago=None if known.reported_at is None else now - known.reported_at,
        )  # fmt: skip
