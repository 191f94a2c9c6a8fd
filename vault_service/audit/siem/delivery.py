"""Bring a log's events to one receiver: in order, each at least once, for as long as it takes.

The rules:

1. Whoever holds the receiver's lock in the database delivers to it; a second worker waits.
2. Events are sent in the log's order. The cursor moves after the receiver has taken them, so a crash in
   between sends them again, with the same `metadata.uid`.
3. A receiver that cannot be reached, is overloaded, or refuses us (5xx, 429, 401, a redirect …) is waited
   for without end: longer each time, up to a ceiling, with jitter, and at least as long as it asked for.
   The time is kept in the database: a worker that starts over and over knocks no more often.
4. Each failure halves what is sent at once, each success doubles it: one event that a receiver refuses
   for itself ends up alone, and a batch that is too large for it gets smaller.
5. An event refused alone several times becomes a dead letter, and the stream goes on. But a receiver that
   has refused several events in a row is itself what is wrong (a wrong URL answers 400 to everything):
   it is waited for, and nothing more is set aside.
6. An event that is not in the database any more is a dead letter at once.
"""

import itertools
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.audit.siem.ocsf import outgoing
from vault_service.audit.siem.receiver import EventsRefusedError, Receiver, ReceiverUnavailableError
from vault_service.domain.errors import VaultError
from vault_service.domain.logs import LogName
from vault_service.logs import Repeated, describe
from vault_service.storage.audit.outbox import GONE, Entry, Outbox, ReceiverState, held_outbox
from vault_service.storage.pool import Database

_log = structlog.get_logger("siem")
_random = secrets.SystemRandom()
_MAX_ERROR = 200  # characters
_LOOK_AGAIN_S = 5.0  # at the state of a receiver that is waited for


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, and how long to wait."""

    batch: int = 200  # events, about 1 KB each
    idle_s: float = 1.0  # between two looks at a log that has nothing new
    first_wait_s: float = 1.0
    max_wait_s: float = 300.0
    max_asked_s: float = 3600.0  # of Retry-After
    refusals: int = 4  # of one event before it is set aside
    in_a_row: int = 10  # set aside one after the other before it is the receiver that is wrong

    def wait_s(self, failures: int) -> float:
        """Doubled with each failure in a row (from 1), and not the same for everybody."""
        longest = min(self.max_wait_s, self.first_wait_s * 2.0 ** min(failures - 1, 30))
        return longest * _random.uniform(0.5, 1.0)


class Delivery:
    """One receiver's thread runs this."""

    def __init__(
        self, db: Database, log: LogName, receiver: Receiver, metrics: SiemMetrics, pace: Pace | None = None
    ) -> None:
        self._db = db
        self._log_name: LogName = log
        self._receiver = receiver
        self._metrics = metrics
        self._pace = pace or Pace()
        self._size = self._pace.batch
        self._refused = (-1, 0)  # which event was refused alone, and how often
        self._away = Repeated()

    @property
    def name(self) -> str:
        """The receiver's."""
        return self._receiver.name

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop. Nothing that goes wrong ends it."""
        while not stop.is_set():
            try:
                self._hold_and_deliver(stop)
            except VaultError as error:
                if (count := self._away.failed(error.code)) is not None:
                    _log.warning("siem.database_away", part=self.name, code=error.code, n=count)
            except Exception as error:  # noqa: BLE001  # a defect must show, and must not end the stream
                if (count := self._away.failed(type(error).__name__)) is not None:
                    _log.error("siem.failed", part=self.name, n=count, **describe(error))
            stop.wait(self._pace.idle_s)
        self._receiver.close()

    def _hold_and_deliver(self, stop: threading.Event) -> None:
        with held_outbox(self._db, self.name) as outbox:
            while outbox is not None and not stop.is_set():
                wait_s = self.step(outbox)
                if count := self._away.over():
                    _log.info("siem.goes_on", part=self.name, n=count)
                stop.wait(wait_s)

    def step(self, outbox: Outbox) -> float:
        """Send one batch if it is time. Returns after how many seconds to come again."""
        state = outbox.state()
        self._metrics.state(state)
        if state.wait_s > 0:
            return min(state.wait_s, _LOOK_AGAIN_S)
        entries = outbox.entries(self._log_name, state.next_index, self._size)
        if not entries:
            return self._pace.idle_s
        if entries[0].leaf is None:
            self._set_aside(outbox, entries[0].index, GONE)
            return 0.0
        present = itertools.takewhile(lambda entry: entry.leaf is not None, entries)
        return self._send(outbox, state, tuple(present))

    def _send(self, outbox: Outbox, state: ReceiverState, entries: Sequence[Entry]) -> float:
        fewer = max(1, len(entries) // 2)
        try:
            self._receiver.deliver([outgoing(each.index, each.leaf) for each in entries if each.leaf])
        except EventsRefusedError as error:
            self._size = fewer
            if len(entries) == 1:
                self._refused_alone(outbox, state.next_index, error)
            return 0.0
        except VaultError as error:
            self._size = fewer
            asked = error.wait_s if isinstance(error, ReceiverUnavailableError) else None
            wait_s = max(self._pace.wait_s(state.failures + 1), min(asked or 0, self._pace.max_asked_s))
            self._postpone(outbox, wait_s, error.detail, error.code)
            return 0.0
        except Exception as error:  # noqa: BLE001  # a defect is waited for like a receiver, and as visible
            self._size = fewer
            _log.error("siem.failed", part=self.name, **describe(error))
            wait_s = self._pace.wait_s(state.failures + 1)
            self._postpone(outbox, wait_s, f"a defect of this service: {type(error).__name__}", "siem.defect")
            return 0.0
        outbox.advance(state.next_index, len(entries))
        self._metrics.delivered(self.name, len(entries))
        self._size = min(self._pace.batch, self._size * 2)
        return 0.0

    def _refused_alone(self, outbox: Outbox, index: int, error: EventsRefusedError) -> None:
        before, times = self._refused
        times = times + 1 if before == index else 1
        self._refused = (index, times)
        in_a_row = self._pace.in_a_row
        everything = outbox.refused_just_before(index, in_a_row) >= in_a_row
        if times < self._pace.refusals or everything:
            self._postpone(outbox, self._pace.wait_s(times), error.detail, error.code)
        else:
            self._set_aside(outbox, index, error.detail)

    def _postpone(self, outbox: Outbox, wait_s: float, error: str, code: str) -> None:
        outbox.postpone(wait_s, error[:_MAX_ERROR])
        self._metrics.failed(self.name)
        _log.warning("siem.waiting", part=self.name, code=code, backoff_s=round(wait_s, 1))

    def _set_aside(self, outbox: Outbox, index: int, error: str) -> None:
        outbox.set_aside(index, error[:_MAX_ERROR])
        self._metrics.set_aside(self.name)
        _log.error("siem.dead_letter", part=self.name, n=index)


class SiemDelivery:
    """All receivers of one side, each in a thread of its own: nobody waits for another's."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self._stop = threading.Event()
        self._threads = [
            # daemon: a receiver that hangs must not keep the process from ending.
            threading.Thread(target=each.run, args=(self._stop,), name=f"siem-{each.name}", daemon=True)
            for each in deliveries
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, within_s: float = 2.0) -> None:
        """Let each end what it is about, for `within_s` seconds at most in all."""
        self._stop.set()
        end = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
