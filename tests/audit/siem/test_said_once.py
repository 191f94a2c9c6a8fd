"""What keeps events from a receiver for hours is said at once and then now and then, not at each try."""

import threading
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.audit.siem.log import QUICK, Keeper
from tests.rig.postgres import TestDatabase
from vault_service.audit.siem.delivery import Delivery
from vault_service.audit.siem.metrics import SiemMetrics
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.audit.outbox import Outbox
from vault_service.storage.pool import Database


@pytest.mark.parametrize("said", ["siem.database_away", "siem.failed"])
def test_what_keeps_it_from_its_place_is_said_once_not_at_each_try(keys_db: TestDatabase, said: str) -> None:
    """A database that is closed under it, and a defect: there is none."""
    db = keys_db.open("vault_worker_keys", size=1)
    db.close()
    given = db if said == "siem.database_away" else cast("Database", None)
    tries: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            tries.append(timeout or 0.0)
            if len(tries) == 3:
                self.set()
            return self.is_set()

    with capture_logs() as logged:
        Delivery(given, "keys", Keeper(), SiemMetrics.create(CollectorRegistry()), QUICK).run(Stop())

    assert len(tries) == 3
    lines = [line for line in logged if line["event"].startswith("siem.")]
    assert [(line["event"], line["n"]) for line in lines] == [(said, 1)], logged


@pytest.mark.parametrize(
    ("fault", "said"),
    [(DatabaseUnavailableError("it"), "siem.database_away"), (RuntimeError(), "siem.failed")],
    ids=["database", "defect"],
)
def test_what_fails_at_its_place_is_said_once_too_and_again_when_it_goes_on(
    keys_db: TestDatabase, fault: Exception, said: str
) -> None:
    """It gets its place each time: by that alone nothing works again."""
    steps: list[int] = []
    stop = threading.Event()

    class Failing(Delivery):
        def step(self, outbox: Outbox) -> float:
            steps.append(1)
            if len(steps) <= 3:
                raise fault
            stop.set()
            return super().step(outbox)

    db = keys_db.open("vault_worker_keys", size=1)
    with capture_logs() as logged:
        Failing(db, "keys", Keeper(), SiemMetrics.create(CollectorRegistry()), QUICK).run(stop)
    db.close()

    lines = [line for line in logged if line["event"].startswith("siem.")]
    assert [(line["event"], line["n"]) for line in lines] == [(said, 1), ("siem.goes_on", 3)], logged
