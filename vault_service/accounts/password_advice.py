"""What is wrong with a password, while it is being typed: by the same rules, before it counts.

The key service judges again, with what only it knows (the person's login, the apps' names); this is advice.
Nothing of what was typed is kept or logged.
"""

import threading
import time
from dataclasses import dataclass, field

from vault_service.crypto.password_rules import judge_password
from vault_service.domain.errors import ThrottledError, WeakPasswordError
from vault_service.policy.rules import PasswordPolicy

_PER_S = 20.0  # of the whole process: an estimate takes milliseconds of a processor, and anybody may ask
_BURST = 60.0
_SERVICE = "vault_service"  # a name that an attacker tries, as the key service knows too


@dataclass(slots=True)
class PasswordAdvice:
    """Thread-safe; one a process."""

    policy: PasswordPolicy
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _left: float = _BURST
    _since: float = field(default_factory=time.monotonic)

    def reasons(self, password: str, login: str = "") -> tuple[str, ...]:
        """Why it would be refused, in plain words; empty if it would do. Raises ThrottledError."""
        self._take()
        try:
            judge_password(password, self.policy, login=login, names=(_SERVICE,))
        except WeakPasswordError as error:
            return reasons_of(error)
        return ()

    def _take(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._left = min(_BURST, self._left + (now - self._since) * _PER_S)
            self._since = now
            if self._left < 1:
                raise ThrottledError("too many passwords are being typed at present", retry_after_s=1)
            self._left -= 1


def reasons_of(error: WeakPasswordError) -> tuple[str, ...]:
    """Each of them; none holds anything of the password."""
    return tuple(error.detail.rpartition(": ")[2].split("; "))
