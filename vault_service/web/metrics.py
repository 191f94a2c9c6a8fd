"""Figures of a web face for Prometheus: by route template, method and status. No ids, no paths, no logins."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PoolStats = Callable[[], Mapping[str, int]]


class _Pool(Collector):
    """Reads the database pool when it is asked."""

    def __init__(self, stats: PoolStats) -> None:
        self._stats = stats

    def collect(self) -> Iterable[Metric]:
        """One gauge for each figure that the pool keeps."""
        metric = GaugeMetricFamily("vault_db_pool", "The pool of database connections.", labels=["figure"])
        for figure, value in self._stats().items():
            metric.add_metric([figure], float(value))
        yield metric


@dataclass(frozen=True, slots=True)
class FaceMetrics:
    """The figures of one process."""

    registry: CollectorRegistry
    requests: Counter
    durations: Histogram
    kms_calls: Counter
    kms_durations: Histogram
    up: Gauge

    @classmethod
    def create(cls, face: str) -> Self:
        """In a registry of their own, so that tests can have many."""
        # It would show a second series for each, which nobody asked for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
        registry = CollectorRegistry()
        metrics = cls(
            registry,
            Counter(
                "vault_requests", "Requests answered.", ["route", "method", "status"], registry=registry
            ),
            Histogram(
                "vault_request_seconds", "From the first header to the last byte.", ["route", "method"],
                registry=registry, buckets=_SECONDS,
            ),
            Counter("vault_kms_calls", "Calls to the key service.", ["call", "outcome"], registry=registry),
            Histogram(
                "vault_kms_call_seconds", "Duration of calls to the key service.", ["call"],
                registry=registry, buckets=_SECONDS,
            ),
            Gauge(f"vault_{face}_up", "1 while this process serves.", registry=registry),
        )  # fmt: skip
        metrics.up.set(1)
        return metrics

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self.requests.labels(route, method, str(status)).inc()
        self.durations.labels(route, method).observe(seconds)

    def kms_call(self, call: str, outcome: str, seconds: float) -> None:
        """One call to the key service ended with "ok" or an error's code."""
        self.kms_calls.labels(call, outcome).inc()
        self.kms_durations.labels(call).observe(seconds)

    def watch_pool(self, stats: PoolStats) -> None:
        """Show a database pool's figures too."""
        self.registry.register(_Pool(stats))

    def listen(self, port: int) -> None:
        """Serve /metrics on loopback, in a thread that ends with the process."""
        start_http_server(port, addr="127.0.0.1", registry=self.registry)
