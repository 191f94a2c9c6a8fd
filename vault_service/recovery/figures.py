"""Figures about cases for Prometheus, and whether a drill is overdue."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Gauge

from vault_service.domain.case import CASE_KINDS
from vault_service.domain.clock import Clock, utc_now
from vault_service.policy.recovery_rules import DrillRule
from vault_service.storage.keys.notices import CasesState, cases_state, count_waiting
from vault_service.storage.pool import Database


@dataclass(frozen=True, slots=True)
class DrillState:
    """When a drill was last held. What it found does not stand here: a failed one is told by its event."""

    last: datetime | None
    due: datetime  # when the next one has to have been held
    overdue_since: datetime | None  # None: in time

    @classmethod
    def of(cls, state: CasesState, rule: DrillRule, *, began: datetime, now: datetime) -> "DrillState":
        """`began`: when the vault was made; before the first drill the time runs from there."""
        due = (state.last_drill or began) + timedelta(days=rule.every_days)
        return cls(state.last_drill, due, due if due < now else None)


class RecoveryFigures:
    """Gauges of the keys side's worker; no ids of cases or people."""

    def __init__(
        self,
        db: Database,
        rule: DrillRule,
        registry: CollectorRegistry,
        *,
        began: datetime,
        now: Clock = utc_now,
    ) -> None:
        self._db = db
        self._rule = rule
        self._began = began
        self._now = now
        self._cases = Gauge(
            "vault_recovery_cases", "Cases that are open or being executed.", ["kind"], registry=registry
        )
        self._waiting = Gauge(
            "vault_recovery_notices_waiting", "Messages about cases that nobody took yet.", registry=registry
        )
        self._overdue = Gauge(
            "vault_drill_overdue_seconds", "0: a drill was executed in time.", registry=registry
        )

    def update(self) -> None:
        """Look now. Raises UnavailableError."""
        with self._db.connection() as conn:
            state, waiting = cases_state(conn), count_waiting(conn)
        for kind in CASE_KINDS:
            self._cases.labels(kind).set(state.under_way.get(kind, 0))
        self._waiting.set(waiting)
        now = self._now()
        drill = DrillState.of(state, self._rule, began=self._began, now=now)
        late = now - drill.overdue_since if drill.overdue_since else timedelta()
        self._overdue.set(late.total_seconds())
