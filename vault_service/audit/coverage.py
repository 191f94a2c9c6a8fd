"""Until when everything that was committed is in the log.

Transactions end in another order than they began, and one that takes long holds up the sealing of
younger ones. So each turn remembers the database's clock with the smallest transaction id that nobody had
yet; once all transactions below that id are leaves, so is whatever had been committed by then.

A clock that was set back (a failover to a host whose clock is behind, too) would give new events times that
seem to be covered already: what is covered goes back with it.
"""

from collections import deque
from datetime import UTC, datetime

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 1000  # turns that a writer may hold up before some are forgotten


class Coverage:
    """One worker's; it begins with what the newest checkpoint says."""

    def __init__(self) -> None:
        self._marks: deque[tuple[datetime, int]] = deque()
        self.until = self._seen = BEGINNING

    def begin(self, until: datetime) -> None:
        """What the newest checkpoint covers."""
        self.until = max(self.until, until)
        self._seen = max(self._seen, until)

    def mark(self, at: datetime, begun_below: int) -> None:
        """At this time, all transactions so far had smaller ids."""
        self._see(at)
        if len(self._marks) == _MOST:
            self._marks.pop()
        self._marks.append((at, begun_below))

    def all_visible(self, at: datetime) -> None:
        """Every event that was visible after this time is a leaf."""
        self._see(at)
        self.until = max(self.until, at)
        self._marks.clear()

    def sealed_below(self, ended_below: int) -> None:
        """Every event of a transaction with a smaller id is a leaf."""
        while self._marks and self._marks[0][1] <= ended_below:
            self.until = max(self.until, self._marks.popleft()[0])

    def _see(self, at: datetime) -> None:
        if at < self._seen:
            self.until = min(self.until, at)
            self._marks = deque((min(at, marked), below) for marked, below in self._marks)
        self._seen = at
