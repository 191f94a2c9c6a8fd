"""How many calls each app and each calling host may make of this process: buckets, refilled by time.

They are counted here and not at the API, so that a captured API host cannot lift a limit.
"""

import math
import threading
import time

import structlog

from vault_service.domain.buckets import Buckets
from vault_service.domain.errors import AppKeysThrottledError, ThrottledError
from vault_service.domain.ids import AppId
from vault_service.policy.rules import BudgetRule

_log = structlog.get_logger("kms")
_TELL_EVERY_S = 60.0


class _Tally:
    """Counts what nobody writes down one by one, and says once a minute at the most how many there were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n = 0
        self._due = -math.inf

    def add(self) -> int:
        """One more. How many there were since this last told; 0 while it is not time to."""
        now = time.monotonic()
        with self._lock:
            self._n += 1
            if now < self._due:
                return 0
            told, self._n, self._due = self._n, 0, now + _TELL_EVERY_S
            return told


class Budgets:
    """Raises ThrottledError once a share is used up."""

    def __init__(self, rule: BudgetRule) -> None:
        self._apps = Buckets(rule.app_calls_per_s, rule.app_burst)
        self._hosts = Buckets(rule.host_calls_per_s, rule.host_burst)
        self._keyless = Buckets(rule.keyless_calls_per_s, rule.keyless_burst)
        self._refused_keys = Buckets(rule.refused_keys_per_s, rule.refused_keys_burst)
        self._unrecorded = _Tally()

    def spend(self, app: AppId) -> None:
        """One call of an app whose key was checked."""
        if not self._apps.take(app):
            raise ThrottledError("this app has used up its budget of calls", retry_after_s=1)

    def spend_keyless(self) -> None:
        """One call that anybody on the network can cause; a flood of them must not crowd out the others."""
        if not self._keyless.take(None):
            raise ThrottledError("too many one-time passwords are being redeemed", retry_after_s=1)

    def spend_host(self, peer: str) -> None:
        """One call of a host, known by what it is for and its certificate or its user on this machine."""
        if not self._hosts.take(peer):
            raise ThrottledError("this host has used up its budget of calls", retry_after_s=1)

    def spend_refused_key(self) -> None:
        """One refused app key that is recorded. Raises AppKeysThrottledError where it is only counted."""
        if not self._refused_keys.take(None):
            if counted := self._unrecorded.add():
                _log.warning("kms.app_keys_refused_unrecorded", n=counted)
            raise AppKeysThrottledError(
                "this app key is refused, as are too many others at present", retry_after_s=1
            )

    def give_back_host(self, peer: str) -> None:
        """A call whose app key was refused is the stranger's, not the host's: nobody else is to wait for it.

        It cost a look-up. A captured host can cause as many of those, and learns nothing by them.
        """
        self._hosts.give_back(peer)
