"""Figures of rotations for Prometheus: how far each is, and what fails."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from vault_service.domain.rotation import REWRAPPED
from vault_service.rotation.due import days_left
from vault_service.rotation.status import Status
from vault_service.storage.keys.rotations import StoredRotation


class RotationFigures:
    """Kept by each process that takes batches; the gauges say the same in all of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._state = Gauge(
            "vault_rotation_running",
            "1 while a rotation of this kind runs, 0.5 while it is paused, 0 when none is under way",
            ["kind"],
            registry=registry,
        )
        self._part = Gauge(
            "vault_rotation_part",
            "How much of the users was looked at by the rotation under way: 0 to 1",
            ["kind"],
            registry=registry,
        )
        self._rewrapped = Gauge(
            "vault_rotation_rewrapped",
            "Wraps that the rotation under way has moved",
            ["kind"],
            registry=registry,
        )
        self._failed = Counter(
            "vault_rotation_batch_failures", "Batches that are to be tried again", ["code"], registry=registry
        )

        self._due = Gauge(
            "vault_key_due_days",
            "Days until the cryptoperiod of what is in use ends; below 0: overdue",
            ["kind"],
            registry=registry,
        )
        self._failures = Gauge(
            "vault_rotation_unreadable_wraps",
            "Wraps that the newest rotation of this kind could not open, and left as they were",
            ["kind"],
            registry=registry,
        )

    def batch_failed(self, code: str) -> None:
        """Of this process."""
        self._failed.labels(code).inc()

    def update(self, under_way: Iterable[StoredRotation]) -> None:
        """As the database has them."""
        by_kind = {row.kind: row for row in under_way}
        for kind in REWRAPPED:
            row = by_kind.get(kind)
            self._state.labels(kind).set(0 if row is None else 1 if row.state == "running" else 0.5)
            self._part.labels(kind).set(min(1.0, row.looked_at / max(1, row.users)) if row else 0)
            self._rewrapped.labels(kind).set(row.rewrapped if row else 0)

    def show_due(self, status: Status) -> None:
        """What nobody knows is left out."""
        for each in status.due:
            days = days_left(status.due, each.kind, status.at)
            if days is not None:
                self._due.labels(each.kind).set(days)
        for kind in REWRAPPED:
            newest = status.rotation(kind)
            self._failures.labels(kind).set(newest.failed if newest else 0)
