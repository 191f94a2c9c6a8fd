"""How far a rotation is, for whoever watches: a bar on a terminal, a line now and then in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Generator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from vault_service.cli.output import note
from vault_service.kms.protocol.rotation_messages import RotationRow

Look = Callable[[RotationRow | None], None]
LINE_EVERY_S = 10.0
QUIET_S = 20.0
"""Without a batch for so long, it is told that perhaps no worker runs."""

_AWAY = "the key service does not answer; the rotation goes on by itself when it is back"
_QUIET = (
    "no batch was done for a while: does the worker of the keys side run? "
    "(vaultctl serve worker --side keys; at any time)"
)


class Pace:
    """Users a second and what is left, since somebody began to watch."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = self._moved = now()
        self._first: int | None = None
        self._last = 0

    def see(self, row: RotationRow) -> str:
        """`1,003 users/s, about 2 min left, 0 do not open`."""
        now = self._now()
        if self._first is None:
            self._first = self._last = row.looked_at
        if row.looked_at != self._last:
            self._last, self._moved = row.looked_at, now
        done, spent = row.looked_at - self._first, now - self._began
        rate = done / spent if spent > 0 else 0.0
        left = max(0, row.users - row.looked_at)
        eta = (
            f"about {duration(left / rate)} left" if rate > 0 and left else "a last look" if not left else "…"
        )
        return f"{rate:,.0f} users/s, {eta}, {row.failed:,} do not open"

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has moved for a while."""
        return self._now() - self._moved > QUIET_S


class Count:
    """How many of how many were done, at which pace, and what is left of it: a line now and then."""

    def __init__(
        self,
        what: str,
        tell: Callable[[str], None],
        *,
        every_s: float = LINE_EVERY_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._tell, self._every_s, self._now = what, tell, every_s, now
        self._began = now()
        self._next = self._began + every_s

    def see(self, done: int, of: int | None) -> None:
        """`of`: in all; None where nobody knows."""
        now = self._now()
        if now < self._next:
            return
        self._next, rate = now + self._every_s, done / (now - self._began)
        said = f"{self._what}: {done:,}" if of is None else f"{self._what}: {done:,} of {max(of, done):,}"
        left = of is not None and of > done and rate > 0
        eta = f", about {duration(((of or 0) - done) / rate)} left" if left else ""
        self._tell(f"{said}, {rate:,.0f}/s{eta}")


def duration(seconds: float) -> str:
    """`40 s`, `5 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{round(whole / 60)} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


@contextlib.contextmanager
def shown(*, as_json: bool) -> Generator[Look]:
    """Show what is seen, on standard error."""
    if as_json:  # a script looks on standard error for the one error only
        yield _unseen
    elif sys.stderr.isatty():
        with Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("users"),
            TextColumn("{task.fields[pace]}"), console=Console(file=sys.stderr),
        ) as bar:  # fmt: skip
            yield _Bar(bar).see
    else:
        yield _Lines().see


def _unseen(row: RotationRow | None) -> None:
    del row


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar, self._pace = bar, Pace()
        self._task: TaskID | None = None

    def see(self, row: RotationRow | None) -> None:
        if row is None:
            if self._task is not None:
                self._bar.update(self._task, pace=_AWAY)
            return
        if self._task is None:
            self._task = self._bar.add_task(row.kind, total=row.users, pace="")
        # Users who come while it runs are looked at too.
        total = max(row.users, row.looked_at)
        pace = self._pace.see(row)
        waits = row.state == "running" and self._pace.is_quiet
        self._bar.update(self._task, completed=row.looked_at, total=total, pace=_QUIET if waits else pace)


class _Lines:
    def __init__(self) -> None:
        self._pace, self._next, self._away = Pace(), time.monotonic() + LINE_EVERY_S, False

    def see(self, row: RotationRow | None) -> None:
        if row is None:
            if not self._away:
                note(_AWAY)
            self._away = True
            return
        self._away = False
        said, now = self._pace.see(row), time.monotonic()
        if row.state == "running" and now < self._next:
            return
        self._next = now + LINE_EVERY_S
        note(f"{row.kind}: {row.looked_at:,} of {max(row.users, row.looked_at):,} users, {said}")
        if row.state == "running" and self._pace.is_quiet:
            note(_QUIET)
