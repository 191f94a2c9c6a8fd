"""Who is signed in to the console: in this process's memory only.

A session lets somebody look; whatever has an effect asks for the passkey again. So nothing is kept in a
database, where a superuser could put a session of his own, and a restart signs everybody out.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

_TOKEN_BYTES = 32
_MOST = 1000  # sessions at a time: a bound on the memory; the oldest go


@dataclass(frozen=True, slots=True)
class Session:
    """One officer in one browser."""

    session_id: str  # SHA-256 of the cookie's token, hex
    officer: UUID
    authenticator: UUID
    csrf_token: str = field(repr=False)
    began: float  # monotonic seconds
    name: str = ""  # of the officer, as the newest manifest has it
    may_audit: bool = False  # as the policy says today: whether to show the way there


def session_id_of(session: Session | None) -> str | None:
    """None: of a visitor who is not signed in."""
    return None if session is None else session.session_id


@dataclass(slots=True)
class Sessions:
    """Thread-safe; one a process."""

    idle_s: float
    absolute_s: float
    clock: Callable[[], float] = time.monotonic
    cookie: str = "__Host-officer"
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _live: dict[str, tuple[Session, float]] = field(default_factory=dict[str, tuple[Session, float]])

    def begin(self, officer: UUID, authenticator: UUID) -> tuple[str, Session]:
        """The cookie's value, and the session. A new token each time: none that was set before counts."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self.clock()
        made = Session(_id_of(token), officer, authenticator, secrets.token_urlsafe(_TOKEN_BYTES), now)
        with self._lock:
            self._drop_dead(now)
            while len(self._live) >= _MOST:
                del self._live[min(self._live, key=lambda each: self._live[each][1])]
            self._live[made.session_id] = (made, now)
        return token, made

    def who(self, value: str, *, awake: bool = True) -> Session | None:
        """Whose cookie it is. `awake`: somebody does something, which keeps the session alive."""
        now = self.clock()
        with self._lock:
            self._drop_dead(now)
            found = self._live.get(_id_of(value))
            if found is None:
                return None
            if awake:
                self._live[found[0].session_id] = (found[0], now)
            return found[0]

    def left_s(self, session: Session) -> float:
        """Until it ends, if nobody does anything from now on."""
        return max(0.0, min(self.idle_s, session.began + self.absolute_s - self.clock()))

    def end(self, session: Session) -> None:
        """Sign out."""
        with self._lock:
            self._live.pop(session.session_id, None)

    def _drop_dead(self, now: float) -> None:
        for key, (session, seen) in list(self._live.items()):
            if now - seen > self.idle_s or now - session.began > self.absolute_s:
                del self._live[key]


def _id_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
