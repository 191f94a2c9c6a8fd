"""What this process remembers of officers' calls: which proofs it has seen, who looked up how many users.

In memory, since it is worth something for minutes only: a proof from before the process began is refused,
and in its first minutes one that is dated ahead of its clock too, so that a restart forgets no nonce that
still counts.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from vault_service.crypto.officer_proof import GOOD_FOR_S
from vault_service.domain.errors import ThrottledError
from vault_service.domain.recovery_errors import OfficerRefusedError

_REMEMBERED_S = 2 * GOOD_FOR_S  # s; a proof may be dated so far ahead, and is good for as long afterwards
_MOST_NONCES = 1000  # of one officer: a bound on the memory, which no other officer's calls use up
_HOUR_S = 3600.0

_Seen = dict[UUID, dict[bytes, float]]
_Windows = dict[UUID, deque[float]]


@dataclass(slots=True)
class OfficerCalls:
    """Thread-safe; one a process. Officers are those of the manifest, so there are few."""

    clock: Callable[[], float] = time.monotonic
    began_at: int = field(default_factory=lambda: int(time.time()))  # seconds since 1970
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: _Seen = field(default_factory=_Seen)  # nonce -> until when it is remembered
    _look_ups: _Windows = field(default_factory=_Windows)

    def take_nonce(self, officer: UUID, nonce: bytes, at: int, wall: float) -> None:
        """Of a proof whose signature was verified; `at`: when it says that it was signed; `wall`: now, in
        seconds since 1970.

        Raises OfficerRefusedError the second time, ThrottledError when there are too many.
        """
        if at < self.began_at:
            raise OfficerRefusedError("signed before the key service started")
        if at > wall and wall < self.began_at + GOOD_FOR_S:
            raise OfficerRefusedError("dated ahead of this host's time, just after the key service started")
        now = self.clock()
        with self._lock:
            seen = self._seen.setdefault(officer, {})
            for old in [each for each, until in seen.items() if until <= now]:
                del seen[old]
            if nonce in seen:
                raise OfficerRefusedError("this proof was used before")
            if len(seen) >= _MOST_NONCES:
                raise ThrottledError("too many calls of this officer", retry_after_s=GOOD_FOR_S)
            seen[nonce] = now + _REMEMBERED_S

    def look_up(self, officer: UUID, per_hour: int) -> None:
        """One more look-up of an officer. Raises ThrottledError when there were enough in the last hour."""
        now = self.clock()
        with self._lock:
            made = self._look_ups.setdefault(officer, deque())
            while made and made[0] <= now - _HOUR_S:
                made.popleft()
            if len(made) >= per_hour:
                wait = int(made[0] + _HOUR_S - now) + 1
                raise ThrottledError("this officer has looked up enough users for now", retry_after_s=wait)
            made.append(now)
