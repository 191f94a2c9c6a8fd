"""Send a request, and send it again where that cannot do harm.

A request is repeated when the vault says "later" (503, or 429, with Retry-After), when other writers
were faster, or when the connection fails: a bounded number of times, after a wait with jitter so that
many clients do not come back together. What may be repeated depends on the request:

- ALWAYS: a second time does no more than the first: reading, and creating under an Idempotency-Key.
- IF_NOT_DONE: only when it is sure that nothing was done: no connection came about, or the vault
  refused before it began. Signing in and changing a password are such.
"""

import json
import random
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, TypeVar

import httpx
import msgspec

from vault_service.client.errors import (
    ConcurrentChangeError,
    OutcomeUnknownError,
    Problem,
    ThrottledError,
    UnavailableError,
    UnexpectedAnswerError,
    VaultApiError,
    VaultConnectionError,
    error_of,
)

_T = TypeVar("_T")

LONGEST_WAIT_S = 60.0  # told to wait longer, the caller decides and not this module
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 5.0
# Nothing was sent: these fail before the first byte of the request.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,  # a header that HTTP cannot carry
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
_PROXY_TROUBLE = frozenset({502, 503, 504})


class Repeat(Enum):
    """When a request may be sent a second time."""

    ALWAYS = auto()
    IF_NOT_DONE = auto()


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    token: str | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    repeat: Repeat = Repeat.ALWAYS


@dataclass(slots=True)
class Sender:
    """Sends calls over one connection pool; safe to share between threads."""

    http: httpx.Client
    retries: int
    pause: Callable[[float], None] = time.sleep

    def send(self, call: Call) -> httpx.Response:
        """The answer, read whole, of a call that succeeded.

        Raises VaultApiError for a refusal and VaultConnectionError without an answer.
        """
        return self._until_answered(call, whole=True)

    @contextmanager
    def stream(self, call: Call) -> Generator[httpx.Response, None, None]:
        """The answer as it arrives; what breaks after its beginning is not repeated."""
        response = self._until_answered(call, whole=False)
        try:
            yield response
        finally:
            response.close()

    def _until_answered(self, call: Call, *, whole: bool) -> httpx.Response:
        uncertain = False
        repeated = 0
        while True:
            outcome = self._once(call, whole=whole)
            if isinstance(outcome, httpx.Response):
                return outcome
            uncertain = uncertain or _may_have_happened(outcome)
            wait = None if repeated >= self.retries else _wait_s(call, outcome, repeated)
            if wait is None:
                if isinstance(outcome, VaultConnectionError):
                    raise VaultConnectionError(outcome.problem, may_have_happened=uncertain)
                raise outcome
            self.pause(wait)
            repeated += 1

    def _once(self, call: Call, *, whole: bool) -> httpx.Response | VaultApiError | VaultConnectionError:
        headers = dict(call.headers)
        if call.token is not None:
            headers["Authorization"] = f"Bearer {call.token}"
        if call.body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = self.http.build_request(
            call.method, call.path, params=call.params or None, content=call.body, headers=headers
        )
        # httpx's errors carry the request, with its token and body: they are not chained to ours.
        try:
            response = self.http.send(request, stream=True)
            if whole or not response.is_success:
                response.read()
        except httpx.RequestError as error:  # a body that says it is compressed and is not among them
            sent = not isinstance(error, _NOT_SENT)
            where = self.http.base_url.netloc.decode("ascii")  # host and port: neither a password nor a path
            return VaultConnectionError(f"{where}: {type(error).__name__}", may_have_happened=sent)
        return response if response.is_success else error_of(_problem(response))


def _wait_s(call: Call, outcome: VaultApiError | VaultConnectionError, repeated: int) -> float | None:
    """How long to wait before the call is sent again; None when it must not be."""
    if call.repeat is not Repeat.ALWAYS and _may_have_happened(outcome):
        return None
    back_off = random.uniform(0, min(_LONGEST_BACK_OFF_S, _FIRST_BACK_OFF_S * 2**repeated))  # noqa: S311  # spreads load, guards nothing
    if isinstance(outcome, VaultConnectionError):
        return back_off
    later = isinstance(outcome, UnavailableError | ThrottledError) or outcome.status in _PROXY_TROUBLE
    # Others were faster and nothing was done. A password that lost a race is another one by now.
    overtaken = isinstance(outcome, ConcurrentChangeError) and call.repeat is Repeat.ALWAYS
    asked_for = outcome.retry_after_s or 0
    return asked_for + back_off if (later or overtaken) and asked_for <= LONGEST_WAIT_S else None


def _may_have_happened(outcome: VaultApiError | VaultConnectionError) -> bool:
    """Did the request perhaps take effect? A proxy's own 502 to 504 tells nothing about that."""
    if isinstance(outcome, VaultConnectionError):
        return outcome.may_have_happened
    if isinstance(outcome, UnavailableError):
        return isinstance(outcome, OutcomeUnknownError)
    return outcome.status in _PROXY_TROUBLE


def _problem(response: httpx.Response) -> Problem:
    try:
        told = msgspec.json.decode(response.content, type=Problem)
    except msgspec.DecodeError:
        told = Problem(f"http.{response.status_code}", response.status_code, "not an answer of the vault")
    wait = response.headers.get("Retry-After", "")
    return replace(
        told,
        status=response.status_code,
        request_id=told.request_id or response.headers.get("X-Request-Id"),
        retry_after_s=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def decode(response: httpx.Response, kind: type[_T]) -> _T:
    """The answer as an object. Raises UnexpectedAnswerError when it is something else."""
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.DecodeError as error:
        raise UnexpectedAnswerError(f"the answer is not a {kind.__name__}: {error}") from None


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON that the vault takes. Raises ValueError on NaN, infinities and half surrogates.

    Once per call, so that a repeated request is the same to the last byte: its Idempotency-Key
    stands for exactly this body.
    """
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8")
