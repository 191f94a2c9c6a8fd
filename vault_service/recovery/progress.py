"""What is going on now: rotations, ceremonies, cases that are being executed; and what came of the last ones.

As the rows say: the key service writes them, and whoever rules its database may write them too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from vault_service.domain.alerts import Alert
from vault_service.domain.case import CaseKind, from_case_time, parse_case
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId
from vault_service.domain.rotation import RewrapKind, RotationState
from vault_service.policy.page_rules import AlertRule
from vault_service.policy.recovery_rules import DrillRule
from vault_service.recovery.figures import DrillState
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.audit.activity import events_of_cases
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.cases import CaseRow, newest_cases
from vault_service.storage.keys.notices import CasesState, cases_state
from vault_service.storage.keys.rotation_samples import list_samples
from vault_service.storage.keys.rotations import StoredRotation, count_failures, newest_rotations
from vault_service.storage.pool import Conn, Database

_DRILLS = 20  # of the newest, shown
_KEYS: tuple[CaseKind, ...] = ("key-ceremony", "escrow-rotation")

_PACE_OVER = timedelta(seconds=10)
Outcome = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One rotation of wraps."""

    rotation: UUID
    kind: RewrapKind
    to_gen: int
    state: RotationState
    users: int
    looked_at: int
    rewrapped: int
    failed: int
    rate: int  # users a second; 0: no limit
    started_at: datetime
    moved_at: datetime  # when it told of itself last
    ended_at: datetime | None

    @property
    def of(self) -> int:
        """Users to look at: those who come while it runs are looked at too."""
        return max(self.users, self.looked_at)


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill case."""

    case_id: CaseId
    state: CaseState
    sample: int | None  # users; None: everybody
    opened_at: datetime
    closed_at: datetime | None
    outcome: Outcome  # as the trail says, where it can be seen from here
    is_altered: bool = False  # the case's own page says how


@dataclass(frozen=True, slots=True)
class KeyCase:
    """A case that makes an escrow key or moves wraps to it."""

    case_id: CaseId
    kind: CaseKind
    state: CaseState
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Drills:
    """When the last one was held, whatever it found, and when the next one is to be."""

    last: datetime | None
    due: datetime
    overdue: bool
    newest: tuple[Drill, ...]


def turns(parts: RecoveryParts) -> tuple[Turn, ...]:
    """Those under way first, then the newest of each kind. Raises UnavailableError."""
    with parts.db.connection() as conn:
        rows = newest_rotations(conn, per_kind=5)
        found = [_turn(conn, row) for row in rows]
    return tuple(sorted(found, key=lambda each: each.state == "finished"))


def pictured(parts: RecoveryParts, rotation: UUID) -> tuple[tuple[datetime, int], ...]:
    """How many users were looked at when, oldest first."""
    with parts.db.connection() as conn:
        return tuple((each.at, each.looked_at) for each in list_samples(conn, rotation))


def pace_of(parts: RecoveryParts, turn: Turn) -> float:
    """Users a second of one that runs, since the last sample that is some seconds old; 0: it stands still."""
    now = parts.now()
    known = ((turn.started_at, 0), *pictured(parts, turn.rotation))
    at, looked_at = next((each for each in reversed(known) if now - each[0] > _PACE_OVER), known[0])
    if now <= at:
        return 0.0
    return max(0, turn.looked_at - looked_at) / (now - at).total_seconds()


def _turn(conn: Conn, row: StoredRotation) -> Turn:
    return Turn(
        row.rotation, row.kind, row.to_gen, row.state, row.users, row.looked_at, row.rewrapped,
        count_failures(conn, row.rotation), row.rate, row.started_at,
        row.ended_at or row.progress_at or row.started_at, row.ended_at,
    )  # fmt: skip


def drills(parts: RecoveryParts, trusted: Chain, trail: Database | None = None) -> Drills:
    """Raises UnavailableError."""
    with parts.db.connection() as conn:
        state, rows = cases_state(conn), newest_cases(conn, ("drill",), limit=_DRILLS)
    outcomes: dict[UUID, int] = {}
    if trail is not None and rows:
        with trail.connection() as conn:
            kinds = (KeysEvent.DRILL_PASSED, KeysEvent.DRILL_FAILED)
            outcomes = events_of_cases(conn, [row.case for row in rows], kinds)
    due, overdue = next_drill(state, parts.rules.drill, trusted, parts.now())
    return Drills(state.last_drill, due, overdue, tuple(_drill(row, outcomes) for row in rows))


def next_drill(state: CasesState, rule: DrillRule, trusted: Chain, now: datetime) -> tuple[datetime, bool]:
    """When the next one is due, and whether that is over."""
    began = datetime.fromisoformat(next(trusted.history()).created_at)
    drill = DrillState.of(state, rule, began=began, now=now)
    return drill.due, drill.overdue_since is not None


def key_cases(parts: RecoveryParts) -> tuple[KeyCase, ...]:
    """The newest first."""
    with parts.db.connection() as conn:
        rows = newest_cases(conn, _KEYS, limit=_DRILLS)
    return tuple(KeyCase(row.case, row.kind, row.state, row.opened_at, row.closed_at) for row in rows)


def _drill(row: CaseRow, outcomes: dict[UUID, int]) -> Drill:
    try:
        case = parse_case(row.body)
        sample, opened, altered = case.scope.sample, from_case_time(case.opened_at), False
    except VaultError:
        sample, opened, altered = None, row.opened_at, True
    outcome: Outcome = "unknown"
    if row.case in outcomes:
        outcome = "passed" if outcomes[row.case] == int(KeysEvent.DRILL_PASSED) else "failed"
    return Drill(row.case, row.state, sample, opened, row.closed_at, outcome, altered)


def progress_alerts(
    turned: Iterable[Turn], drilled: Drills, rule: AlertRule, now: datetime
) -> Iterable[Alert]:
    """What is to be done about drills and rotations."""
    if drilled.overdue:
        yield Alert("drill-overdue", "now", at=drilled.due)
    elif drilled.due - now < timedelta(days=rule.drill_soon_days):
        yield Alert("drill-soon", "soon", at=drilled.due)
    judged = next((each for each in drilled.newest if each.outcome != "unknown"), None)
    if judged is not None and judged.outcome == "failed":
        yield Alert("drill-failed", "now", at=judged.closed_at, case=judged.case_id)
    seen = set[RewrapKind]()
    for each in sorted(turned, key=lambda turn: turn.started_at, reverse=True):
        if each.kind in seen:
            continue  # an older one of the kind
        seen.add(each.kind)
        if each.failed:
            yield Alert("rotation-failures", "now", each.kind, n=each.failed)
        if each.state == "paused":
            yield Alert("rotation-paused", "note", each.kind)
        quiet = now - each.moved_at > timedelta(seconds=rule.rotation_quiet_s)
        if each.state == "running" and quiet:
            yield Alert("rotation-quiet", "soon", each.kind, at=each.moved_at)
