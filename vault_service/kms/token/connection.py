"""The online token's connection: one login a process, a session a thread, and a way back.

    away    -> up       the supervisor started the module, logged in and found the expected keys
    up      -> away     an operation failed in a way that speaks of the token, or hung
    away    -> refused  the PIN was wrong; it is never tried twice, since real tokens lock
    any     -> closed

Only `up` lets operations in; otherwise they fail at once. The module is finalised, and so started
anew, only when no thread is inside it: C_Finalize under a running call crashes the process.
Every call into the module runs in one of a fixed number of threads of our own, so that a caller
whose call hangs gives up, and hung threads are bounded. No lock is held around a call.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from pkcs11 import (
    ArgumentsBad,
    AttributeReadOnly,
    AttributeSensitive,
    AttributeTypeInvalid,
    AttributeValueInvalid,
    DataInvalid,
    DataLenRange,
    DomainParamsInvalid,
    FunctionNotSupported,
    KeySizeRange,
    KeyTypeInconsistent,
    MechanismInvalid,
    MechanismParamInvalid,
    PinExpired,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    Session,
    TemplateIncomplete,
    TemplateInconsistent,
    Token,
)

from vault_service.domain.errors import (
    TokenHangsError,
    TokenPinRefusedError,
    TokenUnavailableError,
    VaultError,
    WrongTokenError,
    rebuild,
)
from vault_service.kms.token.keys import Seat
from vault_service.kms.token.lock import token_lock
from vault_service.kms.token.pkcs11_module import TokenPlace, module

_log = structlog.get_logger("token")
_T = TypeVar("_T")

_BACK_OFF_S = (0.1, 0.2, 0.4, 0.8)  # between attempts; the last goes on, so that a token is back within 5 s
_STEADY_S = 5.0  # a connection that lived so long begins the back-off anew
_PIN_REFUSED = (PinIncorrect, PinLocked, PinExpired, PinInvalid, PinLenRange)

# What a working token answers to a request that it cannot carry out: no reason to connect again.
_OF_THE_REQUEST = (
    ArgumentsBad,
    AttributeReadOnly,
    AttributeSensitive,
    AttributeTypeInvalid,
    AttributeValueInvalid,
    DataInvalid,
    DataLenRange,
    DomainParamsInvalid,
    FunctionNotSupported,
    KeySizeRange,
    KeyTypeInconsistent,
    MechanismInvalid,
    MechanismParamInvalid,
    TemplateIncomplete,
    TemplateInconsistent,
)


@dataclass(frozen=True, slots=True)
class _Login:
    """One start of the module. Sessions and key handles of an earlier one mean nothing."""

    number: int
    token: Token
    anchor: Session  # the login is the process's and ends when this session is closed


class _Job(Generic[_T]):
    """An operation on its way to a thread."""

    def __init__(self, work: Callable[[Seat], _T], *, changes_token: bool) -> None:
        self.work = work
        self.changes_token = changes_token
        self.future: Future[_T] = Future()
        self.began: tuple[float, _Login] | None = None


class TokenConnection:
    """Thread-safe. `check` looks at a new login's keys before anybody may use them."""

    def __init__(
        self, place: TokenPlace, pin: str, *, sessions: int, wait_s: float, check: Callable[[Seat], None]
    ) -> None:
        self._place = place
        self._pin = pin
        self._sessions = sessions
        self._wait_s = wait_s
        self._check = check
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._state = threading.Condition()  # guards what follows
        self._up: _Login | None = None
        self._inside = 0  # threads that are in the module
        self._alone = False  # one of them changes the token, or waits until it is the only one
        self._why = TokenUnavailableError("the online token (not connected yet)")
        self._refused = False
        self._closed = False
        self._supervisor: threading.Thread | None = None
        self.logins = 0  # times that C_Login was called

    # --- life

    def open(self) -> None:
        """Begin to connect, and wait a while for it.

        Raises TokenUnavailableError when there is no connection yet; the supervisor goes on trying.
        """
        with self._state:
            if self._supervisor is None and not self._closed:
                # Daemons: a call that hangs must not keep the process from ending.
                self._supervisor = threading.Thread(target=self._supervise, name="token", daemon=True)
                self._supervisor.start()
                for number in range(self._sessions):
                    threading.Thread(target=self._serve, name=f"token-{number}", daemon=True).start()
            self._state.wait_for(lambda: self._up or self._refused or self._closed, timeout=self._wait_s)
            self._demand_up()

    def close(self) -> None:
        """Log out and finalise the module, unless a thread hangs in it."""
        with self._state:
            first, self._closed, self._up = not self._closed, True, None
            self._why = TokenUnavailableError("the online token (closed)")
            self._state.notify_all()
        if first and self._supervisor is not None:
            for _ in range(self._sessions):
                self._jobs.put(None)
            self._supervisor.join(self._wait_s)

    def _demand_up(self) -> _Login:
        if self._up is None:
            # Anew for each caller: threads must not add to one traceback.
            raise rebuild(self._why.code, self._why.detail, self._why.retry_after_s)
        return self._up

    # --- one operation

    def run(self, work: Callable[[Seat], _T], *, changes_token: bool = False) -> _T:
        """Have a thread with a session do it, once more with fresh handles if need be.

        The second time, no other process is in the middle of a login. What changes the token is never
        repeated, and no other thread is inside meanwhile: SoftHSM reads an object's file while another
        writes it, and fails with a general error.

        Raises TokenUnavailableError: at once while the token is away, and after the longest wait.
        """
        with self._state:
            self._demand_up()
        job = _Job(work, changes_token=changes_token)
        self._jobs.put(job)
        try:
            return job.future.result(self._wait_s)
        except FutureTimeout:
            if not job.future.cancel() and job.began is not None:
                began, login = job.began
                if time.monotonic() - began > self._wait_s / 2:  # rather than waited for a free thread
                    self.lost(login, TokenHangsError("the online token"))
            raise TokenUnavailableError("the online token (no answer in time)") from None

    def _serve(self) -> None:
        """A thread's life: its own session, of the login that is up."""
        held: tuple[_Login, Seat] | None = None
        while (job := self._jobs.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                with self._enter(alone=job.changes_token) as login:
                    job.began = time.monotonic(), login
                    if held is None or held[0] is not login:
                        held = None  # the old one ended with its login
                        held = login, self._take_seat(login)
                    answer = self._attempt(job, login, held[1])
            except Exception as error:  # noqa: BLE001  # the caller gets it
                job.future.set_exception(error)
            else:
                job.future.set_result(answer)
            del job  # its arguments may be secret

    @contextlib.contextmanager
    def _enter(self, *, alone: bool) -> Generator[_Login]:
        with self._state:
            self._wait_until(lambda: not self._alone)
            self._alone = alone
            try:
                if alone:
                    self._wait_until(lambda: self._inside == 0)
                login = self._demand_up()
            except BaseException:
                self._alone = False
                self._state.notify_all()
                raise
            self._inside += 1
        try:
            yield login
        finally:
            with self._state:
                self._inside -= 1
                self._alone = self._alone and not alone
                self._state.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        if not self._state.wait_for(condition, timeout=self._wait_s):
            raise TokenUnavailableError("the online token (a key is being made)")

    def _take_seat(self, login: _Login) -> Seat:
        try:
            try:
                return Seat(login.token)
            except PKCS11Error:
                with self._while_nobody_logs_in():
                    return Seat(login.token)
        except PKCS11Error as error:
            raise self.lost(login, _unavailable(error)) from None

    def _attempt(self, job: _Job[_T], login: _Login, seat: Seat) -> _T:
        try:
            try:
                return job.work(seat)
            except (PKCS11Error, TokenUnavailableError):
                # Whatever it was, "there is no such token" too, this session is not to be trusted.
                if job.changes_token:
                    seat.renew()
                    raise
                with self._while_nobody_logs_in():
                    seat.renew()
                    return job.work(seat)
        except _OF_THE_REQUEST as error:
            raise _unavailable(error) from None
        except PKCS11Error as error:
            raise self.lost(login, _unavailable(error)) from None
        except WrongTokenError as error:
            raise self.lost(login, error) from None
        except TokenUnavailableError as error:
            # SoftHSM answers "there is no such key" when its whole folder is away.
            if not seat.token_is_there():
                raise self.lost(login, TokenUnavailableError("the online token (not there)")) from error
            raise

    @contextlib.contextmanager
    def _while_nobody_logs_in(self) -> Generator[None]:
        """Hold the token's lock: each login rewrites token.object, and who reads it meanwhile fails.

        Goes on without it when it is not to be had in time, or there is no folder to lock in: the
        operation then shows by itself whether the token is there, while its caller still waits.
        """
        with contextlib.ExitStack() as held:
            with contextlib.suppress(TokenUnavailableError):
                held.enter_context(token_lock(self._place, wait_s=self._wait_s / 2))
            yield

    def lost(self, login: _Login, error: TokenUnavailableError) -> TokenUnavailableError:
        """Let nobody in until the supervisor has connected again, unless it has done so since."""
        with self._state:
            if self._up is login:
                self._up = None
                self._say_away(error)
        return error

    def _say_away(self, error: TokenUnavailableError) -> None:
        news = (error.code, error.detail) != (self._why.code, self._why.detail)
        self._why = error.with_traceback(None)
        self._state.notify_all()
        if news:  # an outage of hours is one line
            cause = None if error.__cause__ is None else type(error.__cause__).__name__
            _log.warning("token.away", code=error.code, error=cause)

    # --- the supervisor

    def _supervise(self) -> None:
        running: _Login | None = None
        since = time.monotonic()
        failures = 0
        while self._until_needed():
            if running is not None:
                failures = 0 if time.monotonic() - since > _STEADY_S else failures + 1
                module(self._place.module).stop()
                running = None
            if failures and not self._pause(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1]):
                break
            try:
                running = self._connect()
            except VaultError as error:
                failures += 1
                self._could_not(error)
            except Exception as error:  # noqa: BLE001  # nobody else would ever connect again
                failures += 1
                self._could_not(TokenUnavailableError(f"the online token ({type(error).__name__})"))
            since = time.monotonic()
        if running is not None and self._until_empty():
            module(self._place.module).stop()

    def _until_needed(self) -> bool:
        """Wait until the token is away and nobody is inside the module; False when all is over."""
        with self._state:
            while not self._closed:
                if self._up is None and not self._refused and not self._inside:
                    return True
                self._state.wait()
            return False

    def _until_empty(self) -> bool:
        with self._state:
            return self._state.wait_for(lambda: self._inside == 0, timeout=self._wait_s / 2)

    def _pause(self, seconds: float) -> bool:
        with self._state:
            return not self._state.wait_for(lambda: self._closed, timeout=seconds)

    def _could_not(self, error: VaultError) -> None:
        with self._state:
            self._refused = isinstance(error, TokenPinRefusedError)
            if isinstance(error, TokenUnavailableError) and not self._closed:
                self._say_away(error)

    def _connect(self) -> _Login:
        with token_lock(self._place):
            loaded = module(self._place.module)
            loaded.start(self._place.softhsm2_conf)
            try:
                token = loaded.find_token(self._place.label)
                self.logins += 1
                login = _Login(self.logins, token, token.open(rw=True, user_pin=self._pin))
                with contextlib.closing(Seat(token)) as seat:
                    self._check(seat)
            except _PIN_REFUSED as error:
                loaded.stop()
                raise TokenPinRefusedError(f"the online token ({type(error).__name__})") from None
            except PKCS11Error as error:
                loaded.stop()
                raise _unavailable(error) from None
            except BaseException:
                loaded.stop()
                raise
        with self._state:
            if not self._closed:
                self._up = login
                self._why = TokenUnavailableError("the online token")
                self._state.notify_all()
        _log.info("token.ready", n=login.number)
        return login


def _unavailable(error: PKCS11Error) -> TokenUnavailableError:
    return TokenUnavailableError(f"the online token ({type(error).__name__})")
