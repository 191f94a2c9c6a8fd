"""An operator who replaces one key after another, however often the services are killed meanwhile.

Each step is repeated until it was answered, so that one that was done although nobody said so must bear it.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.rotation.operator import Operator
from vault_service.domain.errors import ConcurrentChangeError, UnavailableError
from vault_service.domain.ids import NOBODY
from vault_service.domain.rotation import REWRAPPED, KeyKind, OnlineKind, RewrapKind
from vault_service.domain.rotation_errors import (
    GenerationNeededError,
    GenerationRefusedError,
    NothingToRotateError,
    RotationBusyError,
)
from vault_service.kms.protocol.message_base import Answer, Request
from vault_service.kms.protocol.rotation_messages import (
    DestroyKey,
    FailedWrap,
    GenerationIs,
    GenerationRow,
    RetireKey,
    RotationIs,
    RotationRow,
    RotationsAre,
    RotationStatus,
    StartRotation,
    VerifyWraps,
    WrapsVerified,
)

_A = TypeVar("_A", bound=Answer)
_T = TypeVar("_T")
_PATIENCE_S = 60.0
_BELIEVED_S = 3.0  # until every key service has read the newest manifest


class NeverEndsError(AssertionError):
    """A rotation, or a step of it, that goes on and on."""


@dataclass
class Turner:
    """Replaces keys at one vault's key service."""

    operator: Operator
    rate: int = 0  # users a second
    stopped: Callable[[], bool] = lambda: False
    give_up_every: int = 1  # turns of a kind
    turned: Counter[str] = field(default_factory=Counter)

    def turn(self, kind: OnlineKind) -> None:
        """The whole way of one kind: made, current, everything moved, the older ones destroyed."""
        if kind in REWRAPPED:
            self._await_end(kind)  # of what was under way: no other key becomes current meanwhile
        made = self._again(lambda: self.operator.create(kind))
        self._again(lambda: self.operator.make_current(kind, made.gen))
        if kind in REWRAPPED:
            self.rotate(kind)
        for row in self.all(kind):
            if row.state == "retiring" and not self.stopped() and self._is_time(kind):
                self.give_up(kind, row)
        self.turned[kind] += 1

    def _is_time(self, kind: OnlineKind) -> bool:
        """Giving up takes seconds of waiting: not at every turn, so that most of the time something moves."""
        return self.turned[kind] % self.give_up_every == 0

    def rotate(self, kind: RewrapKind) -> None:
        """Begin one, and wait until the workers have finished it."""
        with contextlib.suppress(NothingToRotateError, RotationBusyError):
            self._ask(StartRotation(kind, self.rate, 2), RotationIs)
        self._await_end(kind)

    def _await_end(self, kind: RewrapKind) -> None:
        end = time.monotonic() + _PATIENCE_S
        while (row := self.newest(kind)) is not None and row.state != "finished" and not self.stopped():
            if time.monotonic() > end:
                raise NeverEndsError(f"{row}")
            time.sleep(0.05)

    def give_up(self, kind: OnlineKind, row: GenerationRow) -> None:
        """Retire and destroy; a generation that is needed again by who came late is swept once more."""
        for _ in range(5):
            try:
                self._settled(RetireKey(kind, row.gen, row.fingerprint))
                break
            except GenerationNeededError:
                if kind not in REWRAPPED:
                    return  # an open case, or an open ceremony: the next turn tries again
                self.rotate(kind)
        else:
            raise NeverEndsError(f"{kind} key {row.gen} is needed for ever: {self.census(kind, row.gen)}")
        time.sleep(_BELIEVED_S)
        self._settled(DestroyKey(kind, row.gen, row.fingerprint))

    def _settled(self, request: RetireKey | DestroyKey) -> None:
        """Too soon after the step before is refused."""
        for _ in range(10):
            try:
                self._ask(request, GenerationIs)
            except GenerationRefusedError:
                time.sleep(0.5)
            else:
                return
        self._ask(request, GenerationIs)

    # --- what is to be seen

    def all(self, kind: KeyKind) -> tuple[GenerationRow, ...]:
        return self._again(lambda: self.operator.all(kind))

    def census(self, kind: KeyKind, gen: int) -> dict[str, int]:
        return self._again(lambda: self.operator.census(kind, gen))

    def newest(self, kind: RewrapKind) -> RotationRow | None:
        rows = self._ask(RotationStatus(), RotationsAre).rotations
        return next((row for row in rows if row.kind == kind), None)

    def unreadable(self) -> tuple[FailedWrap, ...]:
        """What of everybody's wraps does not open."""
        after, found = NOBODY, list[FailedWrap]()
        while True:
            page = self._ask(VerifyWraps(after), WrapsVerified)
            found.extend(page.failed)
            if not page.more or page.last is None:
                return tuple(found)
            after = page.last  # type: ignore[assignment]  # a user's id

    def _ask(self, request: Request, answer: type[_A]) -> _A:
        return self._again(lambda: self.operator.kms.call(request, answer))

    def _again(self, act: Callable[[], _T]) -> _T:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return act()
            except (UnavailableError, ConcurrentChangeError):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)
