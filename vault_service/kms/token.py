"""The online token: one login a process, a session a thread, and a way back when it was away.

Every operation runs in one of a fixed number of threads, each with a session of its own, so that a
caller whose operation hangs gives up after a while and hung threads are bounded. When the token
was away, operations fail at once and a supervising thread starts the module again, as soon as no
thread is inside it. A wrong PIN is tried once and never again: real tokens lock.
"""

import hmac
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar, cast

import structlog
from pkcs11 import (
    Attribute,
    Key,
    KeyType,
    Mechanism,
    MechanismFlag,
    MultipleObjectsReturned,
    ObjectClass,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    PublicKey,
    Session,
    SignMixin,
    Token,
)

from vault_service.domain.errors import ConfigurationError, TokenUnavailableError
from vault_service.kms.pkcs11_module import TokenPlace, module
from vault_service.kms.token_lock import token_lock

_log = structlog.get_logger("token")
_T = TypeVar("_T")

_ED25519_PARAMETERS = b"\x13\x0cedwards25519"  # a PrintableString (PKCS#11 v3.0, section 2.3.10)
_ED25519_BYTES = 32
_CHECK_MESSAGE = b"vault_service/kcv/1"
_CHECK_BYTES = 8
_RETRY_S = (0.1, 0.2, 0.4, 0.8)  # between attempts to get the token back; the last one goes on


class TokenPinRefusedError(TokenUnavailableError):
    """The online token does not take its PIN."""

    code = "service.token_pin_refused"
    remedy = "Correct the PIN file, look at the token's count of tries, then restart the key service."


class WrongTokenError(TokenUnavailableError):
    """A key in the token is not the one that the manifest names."""

    code = "service.wrong_token"
    remedy = "Plug in the token that belongs to this vault, or restore its backup."


class _ThreadState(threading.local):
    """A thread's own session and the keys that it looked up, of one start of the module."""

    start: int = 0
    session: Session | None = None

    def __init__(self) -> None:
        self.keys: dict[tuple[ObjectClass, str], Key] = {}


class OnlineToken:
    """Thread-safe; one a process."""

    def __init__(self, place: TokenPlace, pin: str, *, sessions: int = 16, wait_s: float = 2.0) -> None:
        self._place = place
        self._pin = pin
        self._wait_s = wait_s
        self._threads = ThreadPoolExecutor(sessions, thread_name_prefix="token")
        self._own = _ThreadState()
        self._state = threading.Condition()
        self._start = 0  # how often the module was started; 0: never
        self._up = False
        self._inside = 0  # threads that are in the module
        self._closed = False
        self._refused: TokenUnavailableError | None = None
        self._token: Token | None = None
        self._anchor: Session | None = None  # holds the login of the whole process
        self._expected: dict[str, bytes] = {}
        self._checked: set[tuple[int, str]] = set()
        self._supervisor: threading.Thread | None = None
        self.calls: Counter[str] = Counter()
        self.logins = 0

    # --- life

    def open(self) -> None:
        """Start the module and log in; from then on the supervisor keeps it so.

        Raises TokenUnavailableError when it did not work at once; it goes on trying.
        """
        with self._state:
            if self._supervisor is None:
                self._supervisor = threading.Thread(
                    target=self._supervise, name="token-supervisor", daemon=True
                )
                self._supervisor.start()
            self._state.wait_for(lambda: self._up or self._refused is not None, timeout=self._wait_s)
            self._demand_up()

    def close(self) -> None:
        """Log out and finalise the module, unless a thread hangs in it."""
        with self._state:
            self._closed = True
            self._up = False
            self._state.notify_all()
        if self._supervisor is not None:
            self._supervisor.join(self._wait_s)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _supervise(self) -> None:
        attempt = 0
        while True:
            with self._state:
                self._state.wait_for(lambda: self._closed or (not self._up and self._refused is None))
                idle = self._state.wait_for(lambda: self._inside == 0, timeout=1.0)
                if not idle and not self._closed:
                    continue  # a thread hangs inside: finalising now would crash it
                if idle:
                    self._finalise()
                if self._closed:
                    return
            try:
                self._log_in()
                attempt = 0
            except TokenUnavailableError as error:
                _log.warning("token.away", code=error.code)
                with self._state:
                    if isinstance(error, TokenPinRefusedError):
                        self._refused = error
                        self._state.notify_all()
                    self._state.wait_for(
                        lambda: self._closed, timeout=_RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                    )
                attempt += 1

    def _finalise(self) -> None:
        if self._token is not None:
            self._token = None
            self._anchor = None
            module(self._place.module).stop()

    def _log_in(self) -> None:
        with token_lock(self._place):
            loaded = module(self._place.module)
            loaded.start(self._place.softhsm2_conf)
            try:
                token = loaded.find_token(self._place.label)
                self.logins += 1
                anchor = token.open(rw=True, user_pin=self._pin)
            except (PinIncorrect, PinLocked) as error:
                loaded.stop()
                raise TokenPinRefusedError(f"the online token ({type(error).__name__})") from None
            except PKCS11Error as error:
                loaded.stop()
                raise TokenUnavailableError(f"the online token ({type(error).__name__})") from None
            except TokenUnavailableError:
                loaded.stop()
                raise
        with self._state:
            self._token, self._anchor = token, anchor
            self._start += 1
            self._up = True
            self._state.notify_all()
        _log.info("token.ready", n=self._start)

    def _demand_up(self) -> None:
        if self._refused is not None:
            raise self._refused
        if not self._up:
            raise TokenUnavailableError("the online token")

    # --- one operation

    def _run(self, work: Callable[[], _T]) -> _T:
        """Do work in a thread that has a session; give up after a while."""
        with self._state:
            self._demand_up()
        future = self._threads.submit(self._guarded, work)
        try:
            return future.result(self._wait_s)
        except FutureTimeout:
            future.cancel()
            raise TokenUnavailableError("the online token (no answer in time)") from None

    def _guarded(self, work: Callable[[], _T]) -> _T:
        with self._state:
            self._demand_up()
            self._inside += 1
            start = self._start
        try:
            self._ready_session(start)
            try:
                return work()
            except PKCS11Error:
                self._forget_session()  # a handle that became stale: once more with fresh ones
                self._ready_session(start)
                return work()
        except (PKCS11Error, MultipleObjectsReturned) as error:
            self._forget_session()
            self._lost(start)
            raise TokenUnavailableError(f"the online token ({type(error).__name__})") from None
        finally:
            with self._state:
                self._inside -= 1
                self._state.notify_all()

    def _lost(self, start: int) -> None:
        """Have the supervisor start the module again, unless it has done so since."""
        with self._state:
            if self._start == start:
                self._up = False
                self._state.notify_all()

    def _ready_session(self, start: int) -> Session:
        own = self._own
        if own.session is None or own.start != start:
            if self._token is None:
                raise TokenUnavailableError("the online token")
            own.session, own.start = self._token.open(rw=True), start
            own.keys.clear()
        return own.session

    def _forget_session(self) -> None:
        self._own.session = None
        self._own.keys.clear()

    def _key(self, kind: ObjectClass, label: str) -> Key:
        session = self._ready_session(self._own.start)
        key = self._own.keys.get((kind, label))
        if key is None:
            key = self._own.keys[kind, label] = session.get_key(object_class=kind, label=label)
        return key

    # --- what it is for

    def hmac(self, label: str, message: bytes) -> bytes:
        """HMAC-SHA256, 32 bytes, with the secret key of that label. Raises TokenUnavailableError."""
        self.calls["hmac"] += 1
        return self._run(lambda: self._checked_hmac(label, message))

    def sign(self, label: str, message: bytes) -> bytes:
        """Ed25519 (RFC 8032), 64 bytes. Raises TokenUnavailableError."""
        self.calls["sign"] += 1

        def work() -> bytes:
            key = cast("SignMixin", self._key(ObjectClass.PRIVATE_KEY, label))
            return bytes(key.sign(message, mechanism=Mechanism.EDDSA))

        return self._run(work)

    def public_key(self, label: str) -> bytes:
        """The Ed25519 public key, 32 bytes."""

        def work() -> bytes:
            key = cast("PublicKey", self._key(ObjectClass.PUBLIC_KEY, label))
            return bytes(key[Attribute.EC_POINT])[-_ED25519_BYTES:]

        return self._run(work)

    def has_key(self, label: str) -> bool:
        """Is there any object of that label?"""

        def work() -> bool:
            session = self._ready_session(self._own.start)
            return bool(
                list(session.get_objects({Attribute.LABEL: label}))
            )  # its generator holds the session

        return self._run(work)

    def key_check_value(self, label: str) -> bytes:
        """8 bytes that show which secret key this is."""
        return self._run(lambda: self._hmac(label, _CHECK_MESSAGE)[:_CHECK_BYTES])

    def expect_check_values(self, values: Mapping[str, bytes]) -> None:
        """Compare each key's check value before its first use after each start of the module."""
        with self._state:
            self._expected = dict(values)
            self._checked.clear()

    def ping(self) -> None:
        """A real operation: the check value of an expected key, or a look at the session.

        Raises TokenUnavailableError.
        """
        label = next(iter(self._expected), None)
        if label is None:
            self.has_key("ping")
        else:
            self._run(lambda: self._hmac(label, _CHECK_MESSAGE))

    def create_hmac_key(self, label: str) -> None:
        """A 256-bit secret key that can compute HMACs and never leaves the token."""
        self._demand_new(label)

        def work() -> None:
            self._ready_session(self._own.start).generate_key(
                KeyType.GENERIC_SECRET,
                256,
                label=label,
                store=True,
                capabilities=MechanismFlag.SIGN,
                template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.MODIFIABLE: False,
                },
            )

        self._run(work)

    def create_signing_key(self, label: str) -> bytes:
        """An Ed25519 key pair whose private half never leaves the token; returns the public one."""
        self._demand_new(label)

        def work() -> None:
            session = self._ready_session(self._own.start)
            curve = session.create_domain_parameters(
                KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519_PARAMETERS}, local=True
            )
            curve.generate_keypair(
                label=label,
                store=True,
                mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
                private_template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.MODIFIABLE: False,
                },
            )

        self._run(work)
        return self.public_key(label)

    def _demand_new(self, label: str) -> None:
        if self.has_key(label):
            raise ConfigurationError(
                f"the token has a key {label}", remedy="Use the next generation's number."
            )

    def _hmac(self, label: str, message: bytes) -> bytes:
        key = cast("SignMixin", self._key(ObjectClass.SECRET_KEY, label))
        return bytes(key.sign(message, mechanism=Mechanism.SHA256_HMAC))

    def _checked_hmac(self, label: str, message: bytes) -> bytes:
        expected = self._expected.get(label)
        this_start = (self._own.start, label)
        if expected is not None and this_start not in self._checked:
            found = self._hmac(label, _CHECK_MESSAGE)[:_CHECK_BYTES]
            if not hmac.compare_digest(found, expected):
                raise WrongTokenError(f"key {label} of the online token")
            self._checked.add(this_start)
        return self._hmac(label, message)
