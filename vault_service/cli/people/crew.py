"""Bring many people at once, in bounded memory, and stop at once when the vault is away."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice

from vault_service.cli.people.bring import Brought
from vault_service.cli.people.mapping import Mapping, Person
from vault_service.cli.people.rehearsal import Rehearsal
from vault_service.cli.people.source import BadRow, Row


@dataclass(slots=True)
class Report:
    """What became of the lines."""

    brought: int = 0
    earlier: int = 0
    failures: list[BadRow] = field(default_factory=list[BadRow])

    def add(self, outcome: Brought | BadRow) -> None:
        """Count one line."""
        if isinstance(outcome, BadRow):
            self.failures.append(outcome)
        elif outcome is Brought.NOW:
            self.brought += 1
        else:
            self.earlier += 1


def check_all(
    rows: Iterable[Row | BadRow], mapping: Mapping, tick: Callable[[], None], rehearsal: Rehearsal
) -> Report:
    """What can be judged without the vault: the lines, what it would refuse, logins that come twice."""
    report = Report()
    seen: set[str] = set()
    for row in rows:
        person = mapping.person(row) if isinstance(row, Row) else row
        found = rehearsal.judge(person) if isinstance(person, Person) else person
        if isinstance(found, BadRow):
            report.add(found)
        elif found in seen:
            report.add(BadRow(row.line, "import.login_twice", "an earlier line has this login"))
        else:
            seen.add(found)
        tick()
    return report


def bring_all(
    rows: Iterable[Row | BadRow],
    mapping: Mapping,
    bring: Callable[[Person], Brought | BadRow],
    *,
    workers: int,
    tick: Callable[[], None],
) -> Report:
    """Bring each person in, `workers` at a time; the report's failures are in the file's order.

    Raises what `bring` raises, after those under way have ended; what is done is written down.
    """
    report = Report()
    stop = threading.Event()

    def one(row: Row | BadRow) -> Brought | BadRow | None:
        person = mapping.person(row) if isinstance(row, Row) else row
        if isinstance(person, BadRow) or stop.is_set():
            return person if isinstance(person, BadRow) else None
        try:
            return bring(person)
        except BaseException:
            stop.set()  # those that wait would only meet the same
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="import") as pool:
        try:
            for outcome in _in_turn(pool, one, rows, ahead=2 * workers):
                if outcome is not None:
                    report.add(outcome)
                tick()
        finally:
            stop.set()  # Ctrl-C: those under way end, no further one begins
    report.failures.sort(key=lambda failure: failure.line)
    return report


def _in_turn(
    pool: ThreadPoolExecutor,
    one: Callable[[Row | BadRow], Brought | BadRow | None],
    rows: Iterable[Row | BadRow],
    *,
    ahead: int,
) -> Iterator[Brought | BadRow | None]:
    """Results as they come, never more than `ahead` lines read beforehand."""
    source = iter(rows)
    waiting: set[Future[Brought | BadRow | None]] = {pool.submit(one, row) for row in islice(source, ahead)}
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        waiting |= {pool.submit(one, row) for row in islice(source, len(done))}
        for future in done:
            yield future.result()
