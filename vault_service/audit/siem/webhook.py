"""An HTTPS receiver: each request brings events in their order, signed if a key is set.

The signature is that of the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`, so
that a receiver can tell a stranger's events, an altered body and an old request played back.
"""

import hashlib
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Literal

from vault_service.audit.siem.ocsf import OutgoingEvent
from vault_service.audit.siem.receiver import EventsRefusedError, ReceiverUnavailableError
from vault_service.domain.errors import ConfigurationError
from vault_service.outbound.connect import Outbound
from vault_service.outbound.post import post
from vault_service.outbound.signature import sign, signing_key
from vault_service.outbound.url import HttpsUrl

Secret = Callable[[], str]  # read anew for each request, so that it can be changed without a restart
BodyFormat = Literal["lines", "array"]

_REFUSES_EVENTS = frozenset({400, 413, 422})
"""What is said of a request's content; everything else is about the receiver, or who may send to it."""
_WITHIN_S = 30.0


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
