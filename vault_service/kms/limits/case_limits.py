"""How many regains may be asked for: of a login at once and in a day, through an app in an hour.

The login's limits keep officers from approving out of weariness. They must not keep the true person out:
whoever asks in that person's name all day long uses them up. So each app has one case of a login, and one
a day, that no other app can use up (the help desk asks through an app of its own), and a case that an
officer vetoed counts no more. All of it is the same for a login that nobody has.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from vault_service.domain.ids import AppId
from vault_service.domain.recovery_errors import TooManyCasesError
from vault_service.policy.recovery_rules import CaseLimits
from vault_service.storage.keys.regains import Regains

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def demand_room(there: Regains, rule: CaseLimits, now: datetime) -> None:
    """Raises TooManyCasesError, with when to come again, if one more would be too many."""
    if there.this_hour >= rule.per_app_per_hour:
        raise _too_many("this app has asked for too many recoveries", there.this_hour_since, _HOUR, now)
    if there.today >= rule.per_login_per_day and there.today_here:
        raise _too_many(
            "too many recoveries of this login were asked for today", there.today_since, _DAY, now
        )
    if there.open >= rule.open_per_login and there.open_here:
        raise _too_many("this login has enough open recoveries", there.open_until, timedelta(0), now)


def _too_many(why: str, since: datetime | None, after: timedelta, now: datetime) -> TooManyCasesError:
    wait = ((since + after) - now).total_seconds() if since else 0.0
    return TooManyCasesError(why, retry_after_s=max(1, int(wait) + 1))


@dataclass(frozen=True, slots=True)
class Openings:
    """What this process is opening just now: counted before the Argon2 work that each of them costs."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _of: Counter[object] = field(default_factory=Counter[object])

    @contextlib.contextmanager
    def hold(
        self, there: Regains, rule: CaseLimits, login_index: bytes, app: AppId, now: datetime
    ) -> Generator[None]:
        """One more, unless it would be too many with those under way. Raises TooManyCasesError."""
        keys: tuple[object, ...] = (login_index, (login_index, app), app)
        with self._lock:
            login, here, of_app = (self._of[key] for key in keys)
            together = replace(
                there, open=there.open + login, open_here=there.open_here + here, today=there.today + login,
                today_here=there.today_here + here, this_hour=there.this_hour + of_app,
            )  # fmt: skip
            demand_room(together, rule, now)
            self._of.update(keys)
        try:
            yield
        finally:
            with self._lock:
                self._of.subtract(keys)
                for key in keys:
                    if not self._of[key]:
                        del self._of[key]
