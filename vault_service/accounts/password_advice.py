"""What is wrong with a password, while it is being typed: by the same rules, before it counts.

The key service judges again, with what only it knows (the person's login, the apps' names); this is advice.
Nothing of what was typed is kept or logged.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import ThrottledError, WeakPasswordError
from vault_service.policy.rules import PasswordPolicy

# Anybody may ask, and chooses what it costs: milliseconds for what people type, a hundred times that for a
# thousand characters that look like words. So what is limited is the work, of the whole process.
_SHARE = 0.5  # of a processor
_BURST_S = 5.0  # of its time
_SERVICE = "vault_service"  # a name that an attacker tries, as the key service knows too


@dataclass(slots=True)
class PasswordAdvice:
    """Thread-safe; one a process."""

    policy: PasswordPolicy
    worked: Callable[[], float] = time.thread_time  # seconds of a processor that this thread has had
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _left: float = _BURST_S
    _since: float = field(default_factory=time.monotonic)

    def reasons(self, password: str, login: str = "") -> tuple[str, ...]:
        """Why it would be refused, in plain words; empty if it would do. Raises ThrottledError."""
        self._demand()
        before = self.worked()
        try:
            judge_password(password, self.policy, login=login, names=(_SERVICE,))
        except WeakPasswordError as error:
            return reasons_of(error)
        finally:
            self._spend(self.worked() - before)
        return ()

    def _demand(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._left = min(_BURST_S, self._left + (now - self._since) * _SHARE)
            self._since = now
            if self._left <= 0:
                raise ThrottledError("too many passwords are being typed at present", retry_after_s=1)

    def _spend(self, seconds: float) -> None:
        with self._lock:
            self._left -= seconds


def reasons_of(error: WeakPasswordError) -> tuple[str, ...]:
    """Each of them; none holds anything of the password."""
    return tuple(error.detail.rpartition(": ")[2].split("; "))
