"""An HTTPS receiver: each request brings events in their order, signed if a key is set.

The signature is that of the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, so
that a receiver can tell a stranger's events, an altered body and an old request played back.
"""

import base64
import binascii
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Literal

from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.audit.siem.receiver import EventsRefusedError, ReceiverUnavailableError
from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.connect import Outbound
from vault_service.outbound.post import post
from vault_service.outbound.url import HttpsUrl

Secret = Callable[[], str]  # read anew for each request, so that it can be changed without a restart
BodyFormat = Literal["lines", "array"]

_REFUSES_EVENTS = frozenset({400, 413, 422})
"""What is said of a request's content; everything else is about the receiver, or who may send to it."""
_WITHIN_S = 30.0
_LEAST_KEY = 24  # bytes (Standard Webhooks)


class WebhookReceiver:
    """Posts events to one URL."""

    def __init__(
        self, name: str, url: HttpsUrl, outbound: Outbound, tls: ssl.SSLContext, *,
        token: Secret | None = None, key: Secret | None = None, body: BodyFormat = "lines",
        within_s: float = _WITHIN_S,
    ) -> None:  # fmt: skip
        self.name = name
        self._url = url
        self._outbound = outbound
        self._tls = tls
        outbound.check_literal(url.host)
        self._token = token
        self._key = key
        self._body: BodyFormat = body
        self._within_s = within_s

    def deliver(self, events: Sequence[OutgoingEvent]) -> None:
        """Post them in one request."""
        body, media_type = _encode(events, self._body)
        headers = {"Content-Type": media_type, "Webhook-Id": _batch_id(events)}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token()}"
        if self._key is not None:
            headers |= sign(signing_key(self._key()), headers["Webhook-Id"], int(time.time()), body)
        try:
            answer = post(self._outbound, self._url, body, headers, tls=self._tls, within_s=self._within_s)
        except ValueError:
            raise ConfigurationError(
                f"receiver {self.name}: its token cannot stand in a header",
                remedy="Put one line of printable ASCII characters in token_file.",
            ) from None
        if answer.status in _REFUSES_EVENTS:
            raise EventsRefusedError(f"HTTP {answer.status}")
        if not 200 <= answer.status < 300:
            raise ReceiverUnavailableError(f"HTTP {answer.status}", wait_s=answer.retry_after_s)

    def close(self) -> None:
        """Nothing is held between two requests."""


def _encode(events: Sequence[OutgoingEvent], form: BodyFormat) -> tuple[bytes, str]:
    if form == "array":
        return b"[" + b",".join(event.json for event in events) + b"]", "application/json"
    return b"".join(event.json + b"\n" for event in events), "application/x-ndjson"


def _batch_id(events: Sequence[OutgoingEvent]) -> str:
    """The same for the same events, so that a repeated request can be told."""
    return hashlib.sha256(b"".join(event.uid.bytes for event in events)).hexdigest()[:32]


def sign(key: bytes, batch: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks specification; `at`: seconds since 1970."""
    mac = hmac.new(key, f"{batch}.{at}.".encode("ascii") + body, hashlib.sha256).digest()
    signature = base64.b64encode(mac).decode("ascii")
    return {"Webhook-Timestamp": str(at), "Webhook-Signature": f"v1,{signature}"}


def signing_key(text: str) -> bytes:
    """`whsec_` and base64, as the specification writes keys; the text itself otherwise.

    Raises ConfigurationError for one that could be guessed.
    """
    try:
        coded = text.startswith("whsec_")
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True) if coded else text.encode()
    except binascii.Error:
        key = b""
    if len(key) < _LEAST_KEY:
        raise ConfigurationError(
            "the signing key of a webhook is no base64, or shorter than 24 bytes",
            remedy="(printf whsec_; openssl rand -base64 32) > FILE; chmod 0600 FILE",
        )
    return key
