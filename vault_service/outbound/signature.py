"""Signed requests, as the Standard Webhooks specification has them: HMAC-SHA256 over `id.timestamp.body`.

So a receiver can tell a stranger's request, an altered body and an old request played back.
"""

import base64
import binascii
import hashlib
import hmac

from vault_service.domain.errors import ConfigurationError

_LEAST_KEY = 24  # bytes (Standard Webhooks)


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
