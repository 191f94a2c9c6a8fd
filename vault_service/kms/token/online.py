"""The online token: what the key service computes in it."""

import functools
import hmac
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from vault_service.domain.errors import (
    ConfigurationError,
    TokenKeyError,
    TokenUnavailableError,
    WrongTokenError,
)
from vault_service.kms.token.connection import TokenConnection
from vault_service.kms.token.keys import Seat
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.token.softhsm_files import bring_to_disk

_CHECK_MESSAGE = b"vault_service/kcv/1"
_CHECK_BYTES = 8
_PORTION = 256  # HMACs at once: some ms of a soft token; one that needs 7 ms for each still answers in time


class OnlineToken:
    """Thread-safe; one a process. Every operation raises TokenUnavailableError while it is away."""

    def __init__(self, place: TokenPlace, pin: str, *, sessions: int = 16, wait_s: float = 2.0) -> None:
        self._connection = TokenConnection(
            place, pin, sessions=sessions, wait_s=wait_s, check=self._check_expected
        )
        self._softhsm2_conf = place.softhsm2_conf
        self._wait_s = wait_s
        self._creating = threading.Lock()
        self._lock = threading.Lock()  # guards what follows; held for no call
        self._expected: dict[str, bytes] = {}
        self._prepared: dict[str, bytes] = {}
        self._look: Callable[[], None] = lambda: None
        self._unchecked: frozenset[str] = frozenset()  # of both, but not seen yet in this login
        self.calls: Counter[str] = Counter()

    @property
    def logins(self) -> int:
        """Times that C_Login was called: real tokens lock after a few with a wrong PIN."""
        return self._connection.logins

    def open(self) -> None:
        """Start the module and log in; from then on the connection is kept.

        Raises TokenUnavailableError when it did not work at once; it goes on trying, but for a
        wrong PIN (TokenPinRefusedError).
        """
        self._connection.open()

    def close(self) -> None:
        """Log out and let the module go."""
        self._connection.close()

    # --- what it is for

    def hmac(self, label: str, message: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes, with the secret key of that label.

        Once keys are expected, with those only: a row that names another generation must not lead to a key
        that was given up and is not destroyed yet, or that somebody put into the token. Raises TokenKeyError.
        """
        self._count("hmac")
        self._demand_known(label)

        def work(seat: Seat) -> bytes:
            if label in self._unchecked:
                self._check_one(seat, label)
            return self._hmac(seat, label, message)

        return self._connection.run(work)

    def hmac_many(self, wanted: Sequence[tuple[str, bytes]]) -> list[bytes]:
        """The same for many labels and messages; in one thread, which lets others go between portions."""
        self._count("hmac", len(wanted))
        for label in {label for label, _ in wanted}:
            self._demand_known(label)
        found: list[bytes] = []
        for first in range(0, len(wanted), _PORTION):
            found += self._connection.run(functools.partial(self._hmacs, wanted[first : first + _PORTION]))
        return found

    def _hmacs(self, wanted: Sequence[tuple[str, bytes]], seat: Seat) -> list[bytes]:
        for label in {label for label, _ in wanted} & self._unchecked:
            self._check_one(seat, label)
        return [self._hmac(seat, label, message) for label, message in wanted]

    def sign(self, label: str, message: bytes) -> bytes:
        """Ed25519 (RFC 8032), 64 bytes."""
        self._count("sign")
        return self._connection.run(lambda seat: seat.sign(label, message))

    def public_key(self, label: str) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        self._count("public_key")
        return self._connection.run(lambda seat: seat.public_key(label))

    def has_key(self, label: str) -> bool:
        """Is there any object of that label?"""
        self._count("has_key")
        return self._connection.run(lambda seat: seat.has_key(label))

    def ping(self) -> None:
        """A real operation: an HMAC with an expected key, or a search that the token must answer."""
        self._count("ping")
        label = next(iter(self._expected), None)
        if label is None:
            self._connection.run(lambda seat: seat.has_key("ping"))
        else:
            self._connection.run(lambda seat: self._check_one(seat, label))

    # --- which keys they are

    def key_check_value(self, label: str) -> bytes:
        """8 bytes that show which secret key this is."""
        self._count("key_check_value")
        return self._connection.run(lambda seat: seat.hmac(label, _CHECK_MESSAGE)[:_CHECK_BYTES])

    def expect_check_values(
        self, values: Mapping[str, bytes], *, prepared: Mapping[str, bytes] | None = None
    ) -> None:
        """Demand these keys: before the next use of each, and of all after each new login.

        A login that finds another is given up (WrongTokenError) and tried again later: somebody
        has plugged in another token. Of those that are prepared none need be there; who uses one, since
        another key service has made it current meanwhile, gets the right one or a TokenKeyError.
        """
        with self._lock:
            self._expected, self._prepared = dict(values), dict(prepared or {})
            self._unchecked = frozenset({*self._expected, *self._prepared})

    def when_unknown(self, look: Callable[[], None]) -> None:
        """Have this called before a key that is not expected is refused: it may expect others."""
        self._look = look

    def _demand_known(self, label: str) -> None:
        """No manifest names an orphan of a crash, or a key that somebody planted. Raises TokenKeyError."""
        if self._is_unknown(label):
            self._look()  # another key service may have made it a moment ago
        if self._is_unknown(label):
            raise TokenKeyError(f"key {label} of the online token (not among those that are in use)")

    def _is_unknown(self, label: str) -> bool:
        return bool(self._expected) and label not in self._expected and label not in self._prepared

    def _check_expected(self, seat: Seat) -> None:
        for label in tuple(self._expected):
            self._check_one(seat, label)

    def _check_one(self, seat: Seat, label: str) -> None:
        expected = self._expected.get(label, self._prepared.get(label))
        if expected is None:
            return
        found = self._hmac(seat, label, _CHECK_MESSAGE)[:_CHECK_BYTES]
        if not hmac.compare_digest(found, expected):
            if label not in self._expected:
                raise TokenKeyError(f"key {label} of the online token (another than the manifest names)")
            raise WrongTokenError(f"the online token (another key {label})")
        with self._lock:
            if self._expected.get(label, self._prepared.get(label)) == expected:  # it may have been replaced
                self._unchecked -= {label}

    def _hmac(self, seat: Seat, label: str, message: bytes) -> bytes:
        try:
            return seat.hmac(label, message)
        except TokenKeyError as error:
            if label not in self._expected:
                raise
            raise WrongTokenError(f"the online token (without a sound key {label})") from error

    # --- new keys

    def create_hmac_key(self, label: str) -> None:
        """A 256-bit secret key that can compute HMACs and never leaves the token.

        Raises ConfigurationError when the label is taken.
        """
        self._count("create_hmac_key")
        self._create(label, lambda seat: seat.generate_hmac_key(label))

    def create_signing_key(self, label: str) -> bytes:
        """An Ed25519 key pair whose private half never leaves the token; returns the public one.

        Raises ConfigurationError when the label is taken.
        """
        self._count("create_signing_key")
        self._create(label, lambda seat: seat.generate_signing_key(label))
        return self.public_key(label)

    # --- the end of a key

    def destroy_key(self, label: str) -> bool:
        """Destroy whatever has this label, for good: no power failure brings it back when this returns.

        False when there was nothing.
        """
        self._count("destroy_key")
        if not self._creating.acquire(timeout=self._wait_s):
            raise TokenUnavailableError("the online token (it is making another key)")
        try:
            destroyed = self._connection.run(lambda seat: seat.destroy(label), changes_token=True)
        finally:
            self._creating.release()
        bring_to_disk(self._softhsm2_conf)
        return destroyed > 0

    def _create(self, label: str, generate: Callable[[Seat], None]) -> None:
        """One at a time; never repeated by itself, since a failed attempt may have made the key.

        It outlives a power failure when this returns: nobody may be told of it before.
        """

        def work(seat: Seat) -> None:
            if seat.has_key(label):
                raise ConfigurationError(
                    f"the token has a key {label}", remedy="Use the next generation's number."
                )
            generate(seat)

        if not self._creating.acquire(timeout=self._wait_s):
            raise TokenUnavailableError("the online token (it is making another key)")
        try:
            self._connection.run(work, changes_token=True)
        finally:
            self._creating.release()
        bring_to_disk(self._softhsm2_conf)

    def _count(self, kind: str, times: int = 1) -> None:
        with self._lock:  # += on a Counter is not atomic
            self.calls[kind] += times
