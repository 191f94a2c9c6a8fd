"""A log with leaves, as the sealing leaves it; a receiver that keeps what it gets; a delivery that runs."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from prometheus_client import CollectorRegistry

from tests.rig.postgres import TestDatabase
from vault_service.audit.siem.delivery import Delivery, Pace, SiemDelivery
from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.audit.siem.receiver import Receiver
from vault_service.domain.events import KeysEvent
from vault_service.storage.audit.outbox import DeadLetter, ReceiverState, list_dead_letters, list_receivers
from vault_service.storage.keys.events import insert_event
from vault_service.storage.pool import Database

QUICK = Pace(batch=8, idle_s=0.02, first_wait_s=0.02, max_wait_s=0.05, refusals=2, in_a_row=3)
PATIENCE_S = 60.0


def fill(database: TestDatabase, count: int) -> list[str]:
    """Events that are sealed; returns the event ids in the log's order."""
    ids: list[UUID] = []
    with database.superuser() as conn:
        row = conn.execute("SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves").fetchone()
        assert row is not None
        first = int(str(row[0]))
        with conn.transaction():
            for _ in range(count):
                event = insert_event(conn, KeysEvent.UNLOCK_REFUSED, datetime.now(UTC), login_index=bytes(32))
                ids.append(event)
            conn.execute(
                """INSERT INTO audit_leaves (leaf_index, user_id, event_id)
                   SELECT %s + o - 1, %s, id FROM unnest(%s::uuid[]) WITH ORDINALITY AS x (id, o)""",
                [first, UUID(int=0), ids],
            )
    return [str(each) for each in ids]


class Keeper:
    """Takes everything, unless `fault` raises."""

    def __init__(self, name: str = "keeper") -> None:
        self.name = name
        self.batches: list[list[OutgoingEvent]] = []
        self.tries = 0
        self.fault: Callable[[Sequence[OutgoingEvent]], None] = lambda _: None
        self.closed = False

    @property
    def taken(self) -> list[str]:
        return [str(event.uid) for batch in self.batches for event in batch]

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        self.tries += 1
        self.fault(events)
        self.batches.append(list(events))

    def close(self) -> None:
        self.closed = True


@contextlib.contextmanager
def delivering(
    database: TestDatabase,
    *receivers: Receiver,
    pace: Pace = QUICK,
    registry: CollectorRegistry | None = None,
) -> Generator[Database]:
    """As the worker runs them."""
    db = database.open(f"vault_worker_{database.side}", size=len(receivers))
    metrics = SiemMetrics.create(registry or CollectorRegistry())
    siem = SiemDelivery([Delivery(db, database.side, each, metrics, pace) for each in receivers])
    siem.start()
    try:
        yield db
    finally:
        siem.stop()
        db.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        threading.Event().wait(0.01)


def state(database: TestDatabase, name: str = "keeper") -> ReceiverState:
    """As the auditor sees it; far behind before it has begun."""
    db = database.open(f"vault_auditor_{database.side}", size=1)
    try:
        with db.connection() as conn:
            found = [each for each in list_receivers(conn) if each.receiver == name]
    finally:
        db.close()
    return found[0] if found else ReceiverState(name, 0, 10**9, 0, 0.0, None, 0, datetime.now(UTC))


def dead_letters(database: TestDatabase) -> list[DeadLetter]:
    db = database.open(f"vault_auditor_{database.side}", size=1)
    try:
        with db.connection() as conn:
            return sorted(list_dead_letters(conn, 1000), key=lambda each: each.index)
    finally:
        db.close()
