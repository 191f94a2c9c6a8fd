"""A thread that takes jobs from the queue for as long as its process lives, whatever goes away meanwhile.

Nothing in here ends the process or holds up its other tasks: what breaks the queue's connections, or its
code, ends one session; after a wait that grows, the next one begins. A worker that died leaves its jobs as
begun; once its heartbeat is old, any worker gives them back to the queue, and the key service finds what was
done already. Only intervals by the database's clock count here: a worker's own may be wrong.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import structlog
from procrastinate import App
from procrastinate.worker import Worker

from vault_service.domain.errors import VaultError
from vault_service.rotation.jobs import Batches
from vault_service.rotation.plan import Planner
from vault_service.storage.keys.job_queue import open_queue
from vault_service.storage.keys.rotation_plans import DEAD_S, QUEUE

_log = structlog.get_logger("rotation")
_POLL_S = 0.5
_TICK_S = 0.5
_LOOK_S = 1800.0
_BEAT_S = 2.0
_NEVER_S = 86_400.0 * 365
_GRACE_S = 2.0  # for a batch that is under way when the process is told to stop
_STOP_S = 30.0
_FIRST_WAIT_S, _MOST_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where the queue is, as the worker's role."""

    dsn: str
    password: str


class Patience:
    """How long to wait after sessions that ended one after the other, and what of them to say once."""

    def __init__(self) -> None:
        self._wait, self._last = _FIRST_WAIT_S, ""

    def after(self, code: str, lasted_s: float) -> tuple[float, bool]:
        """Seconds until the next session, and whether this end is to be told.

        One that lasted had nothing to do with the ends before it: a worker lives for months.
        """
        if lasted_s > _MOST_S:
            self._wait, self._last = _FIRST_WAIT_S, ""
        wait, is_news = self._wait, code != self._last
        self._wait, self._last = min(_MOST_S, wait * 2), code
        return wait, is_news


class RotationRunner:
    """Runs in a thread of its own."""

    def __init__(
        self,
        place: QueuePlace,
        batches: Batches,
        planner: Planner,
        *,
        consumers: int,
        look: Callable[[], object] | None = None,
    ) -> None:
        """`consumers`: batches that this process does at once; `look`: at what is due, every few minutes."""
        self._place, self._batches, self._planner, self._consumers = place, batches, planner, consumers
        self._look = look
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._left: list[int] = []  # workers of the last session that could not say farewell
        logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # its lines say which users

    def start(self) -> None:
        """Returns at once."""
        self._thread = threading.Thread(target=self.run, args=(self._stop,), name="rotation", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give back what is under way, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)  # a daemon: a server that is frozen does not keep the process alive

    def run(self, stop: threading.Event) -> None:
        """Session after session until told to stop."""
        patience = Patience()
        while not stop.is_set():
            began = time.monotonic()
            try:
                asyncio.run(self._session(stop))
            except VaultError as error:
                code = error.code
            except Exception as error:  # noqa: BLE001  # a library's own fault must not end the worker
                code = type(error).__name__
            else:
                code = "ended"
            if stop.is_set():
                return
            wait, is_news = patience.after(code, time.monotonic() - began)
            if is_news:
                _log.warning("rotation.session_failed", code=code)
            stop.wait(wait)

    async def _session(self, stop: threading.Event) -> None:
        place = self._place
        async with open_queue(place.dsn, place.password, size=self._consumers + 2) as app:
            self._batches.register(app)
            for worker_id in self._left:  # what they had begun goes back at once
                await app.job_manager.unregister_worker(worker_id)
            self._left = []
            workers = [_worker(app) for _ in range(self._consumers)]
            parts: list[Coroutine[Any, Any, None]] = [
                *(worker.run() for worker in workers),  # type: ignore[no-untyped-call]  # the library's
                _beat(app, workers),
                _repeat(self._planner.tick, _TICK_S, "plan"),
                *([_repeat(self._look, _LOOK_S, "schedule")] if self._look else []),
                _until(stop),
            ]
            tasks = [asyncio.create_task(part) for part in parts]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for worker in workers:
                    worker.stop()  # type: ignore[no-untyped-call]  # the library's
                for task in tasks[len(workers) :]:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._left = [worker.worker_id for worker in workers if worker.worker_id is not None]


def _worker(app: App) -> Worker:
    """One job at a time: the next is fetched as soon as it is done. No LISTEN: any role may NOTIFY anything,
    and a message that cannot be read would end the session."""
    return Worker(
        app,
        queues=[QUEUE],
        concurrency=1,
        fetch_job_polling_interval=_POLL_S,
        abort_job_polling_interval=_NEVER_S,
        shutdown_graceful_timeout=_GRACE_S,
        listen_notify=False,
        delete_jobs="always",
        install_signal_handlers=False,
        update_heartbeat_interval=_NEVER_S,  # see _beat: the library's own stops for good after one failure
        stalled_worker_timeout=DEAD_S,
    )


async def _beat(app: App, workers: list[Worker]) -> None:
    """Say that these workers live."""
    while True:
        for worker in workers:
            if worker.worker_id is not None:
                await app.job_manager.update_heartbeat(worker.worker_id)
        await asyncio.sleep(_BEAT_S)


async def _repeat(run: Callable[[], object], every_s: float, task: str) -> None:
    """It speaks to the database and the key service: in a thread, so that jobs go on."""
    wait, last = min(every_s, _FIRST_WAIT_S), ""
    while True:
        try:
            await asyncio.to_thread(run)
            wait, last = every_s, ""
        except VaultError as error:
            if error.code != last:
                _log.warning("rotation.waits", task=task, code=error.code)
            wait, last = min(_MOST_S, max(_FIRST_WAIT_S, wait * 2)), error.code
        await asyncio.sleep(wait)


async def _until(stop: threading.Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(0.1)
