"""What visitors are asked to sign to sign in: kept by them, not here.

Whoever reaches the page can ask for any number of challenges. Were they kept, a crowd would fill the memory,
or push out the one that an officer is just about to answer. So each carries what proves that this process
made it, when, for which session and where it leads; only those that an officer has answered are remembered:
they count once.
"""

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from vault_service.domain.contexts import context, text
from vault_service.domain.web_errors import IntentGoneError

BEGINS = "sign-in."  # a dot stands in no other intent's id
_NONCE_BYTES, _TIME_BYTES, _MAC_BYTES = 32, 8, 32
_BEFORE_WORD = _TIME_BYTES + _MAC_BYTES
_PER_SECOND = 1_000_000


@dataclass(slots=True)
class Challenges:
    """Thread-safe; one a process."""

    patience_s: float
    clock: Callable[[], float] = time.monotonic
    _key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _used: dict[bytes, float] = field(
        default_factory=dict[bytes, float]
    )  # nonce -> until when it is remembered

    def issue(self, session_id: str | None, then: str = "") -> tuple[str, bytes]:
        """An id, and the 32 random bytes that belong into the message.

        `then`: where it leads, to be found in the id again.
        """
        nonce, at = os.urandom(_NONCE_BYTES), int(self.clock() * _PER_SECOND).to_bytes(_TIME_BYTES, "big")
        word = then.encode()
        made = nonce + at + self._mac(nonce, at, session_id, word) + word
        return BEGINS + base64.urlsafe_b64encode(made).decode("ascii"), nonce

    def opened(self, challenge_id: str, session_id: str | None) -> tuple[bytes, str]:
        """The bytes and the word of an id that is good still. Raises IntentGoneError."""
        try:
            made = base64.urlsafe_b64decode(challenge_id.removeprefix(BEGINS).encode("ascii"))
        except (ValueError, binascii.Error):
            raise IntentGoneError from None
        nonce, rest = made[:_NONCE_BYTES], made[_NONCE_BYTES:]
        at, mac, word = rest[:_TIME_BYTES], rest[_TIME_BYTES:_BEFORE_WORD], rest[_BEFORE_WORD:]
        if not hmac.compare_digest(mac, self._mac(nonce, at, session_id, word)):
            raise IntentGoneError
        if int.from_bytes(at, "big") / _PER_SECOND + self.patience_s < self.clock():
            raise IntentGoneError
        with self._lock:
            if nonce in self._used:
                raise IntentGoneError
        return nonce, word.decode()

    def use(self, nonce: bytes) -> None:
        """An officer's passkey has answered it: it counts no more. Raises IntentGoneError the second time."""
        now = self.clock()
        with self._lock:
            for old in [each for each, until in self._used.items() if until < now]:
                del self._used[old]
            if nonce in self._used:
                raise IntentGoneError
            self._used[nonce] = now + self.patience_s

    def _mac(self, nonce: bytes, at: bytes, session_id: str | None, word: bytes) -> bytes:
        whose = b"" if session_id is None else text(session_id)
        return hmac.digest(self._key, context(b"sign-in-challenge", nonce, at, whose, word), hashlib.sha256)
