"""The API's figures for Prometheus: those of any web face, and how far the logs are sealed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vault_service.accounts.sealing import LogFigures
from vault_service.web.metrics import FaceMetrics

SealingState = Callable[[], Iterable[LogFigures]]


class _Sealing(Collector):
    """Asks how far the logs are sealed when it is asked."""

    def __init__(self, figures: SealingState) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Named as the workers' own: an alarm on either finds a worker that seals nothing."""
        events = GaugeMetricFamily(
            "vault_audit_unsealed_events", "Committed events in no head that counts.", labels=["log"]
        )
        age = GaugeMetricFamily(
            "vault_audit_unsealed_age_seconds", "None of them has waited longer.", labels=["log"]
        )
        for each in self._figures():
            events.add_metric([each.log], float(each.unsealed))
            age.add_metric([each.log], each.age_s)
        yield from (events, age)


@dataclass(frozen=True, slots=True)
class Metrics(FaceMetrics):
    """The figures of one process."""

    @classmethod
    def create(cls, face: str = "api") -> Self:
        """In a registry of their own, so that tests can have many."""
        return super(Metrics, cls).create(face)

    def watch_sealing(self, figures: SealingState) -> None:
        """Show how far both logs are sealed."""
        self.registry.register(_Sealing(figures))
