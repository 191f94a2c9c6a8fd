"""What waits for a passkey's signature: made by the server, signed in the browser, finished by the server.

1. A form is sent (as JSON, by passkey.js). Its handler derives the message from what the database holds and
   answers AskedToSign.
2. The browser has the passkey sign the challenge, SHA-256 of the message; where shares are to be released,
   the passkey also derives the key that opens the officer's share key.
3. The answer comes to /intents/{intent_id}. It is good once, for its session, for `patience_s`.

The message stays here and is never taken from the browser: what is signed is what the server showed.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from vault_service.console.challenges import Challenges
from vault_service.domain.web_errors import IntentGoneError
from vault_service.web.view import Reply, Taken

T = TypeVar("T")
_ID_BYTES = 16
_MOST_OF_ONE = (
    20  # session or invitation: nobody fills the memory, or pushes out what somebody else was asked
)


class ShareToRelease(msgspec.Struct, frozen=True):
    """For the browser: open `sealed`, and seal what is in it to the ceremony. All hex."""

    ceremony_id: str
    pin_gen: int
    sealed: str  # HPKE (P-256) to the officer's share key
    open_info: str  # HPKE info of the sealed share
    ephemeral_pk: str  # the ceremony's, 65 bytes
    release_info: str


class AskedToSign(msgspec.Struct, frozen=True):
    """For passkey.js."""

    intent_id: str
    challenge: str  # hex, 32 bytes
    rp_id: str
    credential_id: str  # hex; empty: any of this site's (sign-in)
    prf_input: str = ""  # hex; empty: no key is to be derived
    wrapped_share_key: str = ""  # hex; empty where the officer keeps it in a file
    wrap_info: str = ""  # hex: HKDF info and AES-GCM additional data of the wrap
    share_key: str = ""  # hex: the officer's public share key, a P-256 point
    shares: tuple[ShareToRelease, ...] = ()
    says: str = ""  # what the person is told while the passkey waits


class ReleasedShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From the browser: sealed to the ceremony's key. Hex."""

    ceremony_id: str
    pin_gen: int
    sealed: str


class Signed(Taken, frozen=True):
    """From passkey.js: navigator.credentials.get()'s answer, hex."""

    authenticator_data: str
    client_data_json: str
    signature: str
    credential_id: str = ""
    user_handle: str = ""
    released: tuple[ReleasedShare, ...] = ()


class GoOn(msgspec.Struct, frozen=True):
    """For passkey.js: it is done; show this page."""

    location: str


Finish = Callable[[Signed, bytes], Reply]
"""What follows once a passkey has signed: gets what the browser sent, and the encoded assertion, judged."""

Receive = Callable[[Signed], Reply]
"""Judges what the browser sent, then finishes."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    what: T = field(repr=False)
    session_id: str | None  # None: before anybody is signed in
    of: str
    until: float


@dataclass(slots=True)
class Pending(Generic[T]):
    """What this process keeps between two steps of one visitor. Thread-safe; good once."""

    patience_s: float
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _waiting: dict[str, _Kept[T]] = field(default_factory=dict[str, _Kept[T]])

    def put(self, what: T, session_id: str | None, of: str) -> str:
        """Its id, which nobody guesses. `of`: the session or the invitation that it is for."""
        now = self.clock()
        made = secrets.token_urlsafe(_ID_BYTES)
        with self._lock:
            for old in [key for key, each in self._waiting.items() if each.until < now]:
                del self._waiting[old]
            like = [key for key, each in self._waiting.items() if each.of == of]
            for oldest in like[: max(0, len(like) - _MOST_OF_ONE + 1)]:
                del self._waiting[oldest]
            self._waiting[made] = _Kept(what, session_id, of, now + self.patience_s)
        return made

    @property
    def waiting(self) -> int:
        """How many are kept."""
        with self._lock:
            return len(self._waiting)

    def take(self, pending_id: str, session_id: str | None) -> T:
        """It is gone afterwards, whatever becomes of it. Raises IntentGoneError."""
        with self._lock:
            found = self._waiting.pop(pending_id, None)
        if found is None or found.session_id != session_id or found.until < self.clock():
            raise IntentGoneError
        return found.what


@dataclass(slots=True)
class Intents(Pending[Receive]):
    """What waits for a passkey; of visitors who sign in, nothing is kept (challenges.py)."""

    challenges: Challenges = field(init=False)

    def __post_init__(self) -> None:
        """By the same clock, as patient."""
        self.challenges = Challenges(self.patience_s, self.clock)
