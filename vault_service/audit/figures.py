"""Figures of one log for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from vault_service.domain.logs import LogName


class SealingFigures:
    """What an operator watches: does the log grow, and does anything keep it from counting?"""

    def __init__(self, registry: CollectorRegistry, log: LogName) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"vault_audit_{name}", text, ["log"], registry=registry).labels(log)

        self.sealed_size = gauge("sealed_size", "Leaves of the newest head that counts.")
        self.unsealed_events = gauge("unsealed_events", "Committed events in no such head.")
        self.unsealed_age = gauge("unsealed_age_seconds", "None of them has waited longer.")
        self.cosigners_away = gauge("cosigners_away", "Witnesses that did not cosign the newest head.")
        self._failures = Counter(
            "vault_audit_seal_failures", "Turns that failed.", ["log", "code"], registry=registry
        )
        self._log = log

    def failed(self, code: str) -> None:
        """A turn ended with this error."""
        self._failures.labels(self._log, code).inc()
