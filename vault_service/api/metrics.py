"""The API's figures for Prometheus: a web face's, which parts can be used, how far the logs are sealed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vault_service.accounts.sealing import LogFigures
from vault_service.web.metrics import FaceMetrics

SealingState = Callable[[], Iterable[LogFigures]]
Readiness = Callable[[], Mapping[str, str]]  # part -> "ok", or the code of what is wrong


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


class _Parts(Collector):
    """Uses each part when it is asked, as /readyz does: what is away is seen before anybody signs in."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def collect(self) -> Iterable[Metric]:
        """One gauge a part; what only the key service can tell is missing while it is away."""
        usable = GaugeMetricFamily(
            "vault_part_usable", "1: it was really used just now; 0: it cannot be.", labels=["part"]
        )
        for part, state in self._readiness().items():
            usable.add_metric([part], float(state == "ok"))
        yield usable


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

    def watch_parts(self, readiness: Readiness) -> None:
        """Show which parts can be used."""
        self.registry.register(_Parts(readiness))
