"""What is due, every so often: told as figures, and begun where the policy says so (policies/rotation.toml).

Only keys of the online token are begun, and none is ever retired: an operator has to say so. For each kind

    under way, or paused        nothing
    due                         a new key, which everything new is made with; then its rotation
    left behind                 a rotation, which was never begun for the current key: its maker died

What counts is the time by the database, whose clock every worker shares: one whose own is a year ahead
would make one key after another. For the same reason, should the database's clock be wrong, a key is made
at most once a day. Two schedules at once may both find a kind due; the later one finds the key that the
earlier one made, or is refused.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from vault_service.domain.clock import Clock
from vault_service.domain.errors import VaultError
from vault_service.domain.rotation import REWRAPPED, OnlineKind
from vault_service.kms.client import KmsClient
from vault_service.policy.rotation_rules import RotationPolicy
from vault_service.rotation.status import Status, read_status
from vault_service.rotation.steps import begin, draw_plan

_log = structlog.get_logger("rotation")
_ONCE_IN_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Looks at everything that is rotated."""

    kms: KmsClient
    policy: RotationPolicy
    now: Clock  # the database's
    told: Callable[[Status], object] = lambda _: None
    _begun: dict[OnlineKind, float] = field(default_factory=dict[OnlineKind, float])  # monotonic

    def look(self) -> None:
        """Once. Raises UnavailableError; a kind that is refused does not hold up the others."""
        status = read_status(self.kms, self.policy.cryptoperiod_days, self.now)
        self.told(status)
        if not self.policy.schedule.enabled:
            return
        for kind in self.policy.schedule.kinds:
            try:
                self._look_at(status, kind)
            except VaultError as error:
                _log.warning("rotation.schedule_refused", task=kind, code=error.code)

    def _look_at(self, status: Status, kind: OnlineKind) -> None:
        is_due = any(each.kind == kind and each.is_due(status.at) for each in status.due)
        is_left = _was_left_behind(status, kind)
        if status.under_way(kind) is not None or not (is_due or is_left):
            return
        if not is_left and self._began_lately(kind):
            return
        # What earlier rotations could not open must not keep a key from being replaced for ever.
        plan = draw_plan(self.kms, status, kind, new_key=not is_left)
        engine = self.policy.engine
        self._begun[kind] = time.monotonic()
        begin(self.kms, plan, rate=engine.rate, workers=engine.workers, tell=lambda _: None)
        _log.info("rotation.begun_as_due", task=kind)

    def _began_lately(self, kind: OnlineKind) -> bool:
        began = self._begun.get(kind)
        return began is not None and time.monotonic() - began < _ONCE_IN_S


def _was_left_behind(status: Status, kind: OnlineKind) -> bool:
    """Wraps are on an older key, and no rotation to the current one was ever begun."""
    if kind not in REWRAPPED or not any(needs for (of, _), needs in status.needs.items() if of == kind):
        return False
    newest = status.rotation(kind)
    return newest is None or newest.to_gen != status.current(kind).gen
