"""Figures of the receivers for Prometheus: how far behind each is, and what went wrong."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from vault_service.storage.audit.outbox import ReceiverState


@dataclass(frozen=True, slots=True)
class SiemMetrics:
    """By receiver; no ids of events or people."""

    lag: Gauge
    waiting_failures: Gauge
    kept_dead_letters: Gauge
    delivered_events: Counter
    failures: Counter
    dead_letters: Counter

    @classmethod
    def create(cls, registry: CollectorRegistry) -> "SiemMetrics":
        """In the registry of the worker."""
        label = ["receiver"]
        return cls(
            Gauge("vault_siem_lag_events", "Events that it has not taken yet.", label, registry=registry),
            Gauge("vault_siem_failures_in_a_row", "0: it takes events.", label, registry=registry),
            Gauge("vault_siem_dead_letters", "Events that were set aside.", label, registry=registry),
            Counter("vault_siem_delivered", "Events that it took.", label, registry=registry),
            Counter("vault_siem_failures", "Tries that failed.", label, registry=registry),
            Counter("vault_siem_set_aside", "Events set aside by this process.", label, registry=registry),
        )

    def state(self, state: ReceiverState) -> None:
        """As the database has it."""
        self.lag.labels(state.receiver).set(state.behind)
        self.waiting_failures.labels(state.receiver).set(state.failures)
        self.kept_dead_letters.labels(state.receiver).set(state.dead_letters)

    def delivered(self, receiver: str, count: int) -> None:
        """It took some."""
        self.delivered_events.labels(receiver).inc(count)

    def failed(self, receiver: str) -> None:
        """A try failed."""
        self.failures.labels(receiver).inc()

    def set_aside(self, receiver: str) -> None:
        """One was set aside."""
        self.dead_letters.labels(receiver).inc()
