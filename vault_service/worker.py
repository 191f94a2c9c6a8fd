"""The background workers: one for each side, with least rights, each a loop of small tasks.

A task that fails because a part is away is tried again later; nothing is lost, since
each task begins from what stands in the database.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from vault_service.accounts.follow import follow_keys
from vault_service.accounts.repair import repair_intents
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import VaultError
from vault_service.logs import Repeated, describe
from vault_service.storage.keys.guesses import purge_guesses
from vault_service.storage.pool import Database
from vault_service.storage.records.housekeeping import purge_expired

_log = structlog.get_logger("worker")
_BATCH = 1000
_GUESSES_KEPT = timedelta(days=90)  # of logins without a failure since


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every so often."""

    name: str
    every_s: float
    run: Callable[[], object]
    retry_s: float | None = None  # after a failure; None: at its next turn


def records_tasks(parts: AccountParts) -> tuple[Task, ...]:
    """The records side: follow the keys log, finish what crashes left, remove what expired."""

    def purge_batch() -> dict[str, int]:
        with parts.db.connection() as conn:
            return purge_expired(conn, parts.now(), _BATCH)

    def purge() -> None:
        """To the end: a batch a turn would be outrun by an API that is only a little busy."""
        while _BATCH in purge_batch().values():
            pass

    return (
        Task("follow_keys", 1.0, lambda: follow_keys(parts), retry_s=3.0),
        Task("repair_intents", 2.0, lambda: repair_intents(parts)),
        Task("purge_expired", 30.0, purge),
    )


def keys_tasks(db: Database) -> tuple[Task, ...]:
    """The keys side: forget logins that nobody tried for long and that have no failures."""

    def purge_batch() -> int:
        with db.connection() as conn:
            return purge_guesses(conn, datetime.now(UTC) - _GUESSES_KEPT, _BATCH)

    def purge() -> int:
        gone = batch = purge_batch()
        while batch == _BATCH:
            batch = purge_batch()
            gone += batch
        return gone

    return (Task("purge_guesses", 300.0, purge),)


def run_tasks(tasks: Sequence[Task], stop: threading.Event, *, ends_with_defect: bool = False) -> None:
    """Run each task at its time until told to stop; a failing one does not hold up the others.

    `ends_with_defect`: raise what no part of the service raises by itself, for whoever is not to go on
    without one of these tasks.
    """
    due = {task.name: time.monotonic() for task in tasks}
    failures = {task.name: Repeated() for task in tasks}
    while not stop.is_set():
        for task in tasks:
            if time.monotonic() < due[task.name]:
                continue
            due[task.name] = time.monotonic() + task.every_s
            try:
                task.run()
            except Exception as error:  # a defect must show
                if ends_with_defect and not isinstance(error, VaultError):
                    raise
                _tell(task, error, failures[task.name])
                if task.retry_s is not None:
                    due[task.name] = time.monotonic() + task.retry_s
            else:
                if count := failures[task.name].over():
                    _log.info("worker.task_goes_on", task=task.name, n=count)
        stop.wait(max(0.05, min(due.values()) - time.monotonic()))


def _tell(task: Task, error: Exception, failures: Repeated) -> None:
    if isinstance(error, VaultError):
        if (count := failures.failed(error.code)) is not None:
            _log.warning("worker.task_failed", task=task.name, code=error.code, n=count)
    elif (count := failures.failed(type(error).__name__)) is not None:
        _log.error("worker.task_broke", task=task.name, n=count, **describe(error))
