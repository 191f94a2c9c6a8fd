"""Call the key service: over a Unix socket, or over TCP with a client certificate."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from vault_service.domain import audit_errors as audit_errors  # so that its codes are known to rebuild
from vault_service.domain import recovery_errors as recovery_errors  # likewise
from vault_service.domain import rotation_errors as rotation_errors  # likewise
from vault_service.domain.errors import ConfigurationError, KmsUnavailableError, VaultError, rebuild
from vault_service.kms.protocol.messages import ANSWERS, Answer, Refusal, Request

_A = TypeVar("_A", bound=Answer)
_CONNECT_S, _WRITE_S, _POOL_S = 1.0, 2.0, 5.0
Observer = Callable[[str, str, float], None]  # call, "ok" or an error's code, seconds
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=5.0)


def _unobserved(call: str, outcome: str, seconds: float) -> None:
    del call, outcome, seconds


@dataclass(frozen=True, slots=True)
class ClientTls:
    """What a caller shows, and whom it believes."""

    certificate: Path
    key: Path
    ca: Path


def _transport(url: str, tls: ClientTls | None) -> tuple[str, httpx.HTTPTransport]:
    if url.startswith("unix:"):
        # No TLS on a Unix socket, and so no authorities: to read them would take longer than most calls.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        socket = url.removeprefix("unix:")
        return "http://kms", httpx.HTTPTransport(uds=socket, verify=nobody, limits=_LIMITS, retries=1)
    if url.startswith("https:") and tls is not None:
        context = ssl.create_default_context(cafile=str(tls.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(tls.certificate, tls.key)
        return url.rstrip("/"), httpx.HTTPTransport(verify=context, limits=_LIMITS, retries=1)
    raise ConfigurationError(
        "the key service's url is neither unix:PATH nor https: with a client certificate",
        remedy="Set kms.url, and kms.tls for https.",
    )


class KmsClient:
    """One connection pool to one key service; safe to share between threads."""

    def __init__(self, url: str, tls: ClientTls | None = None) -> None:
        base, transport = _transport(url, tls)
        self._http = httpx.Client(base_url=base, transport=transport, trust_env=False)
        self.observe: Observer = _unobserved

    def call(self, request: Request, answer: type[_A]) -> _A:
        """Send one request and wait for its answer.

        Raises KmsUnavailableError when there is none, and the VaultError that the service
        answered with otherwise.
        """
        began, outcome = time.monotonic(), "ok"
        try:
            return self._call(request, answer)
        except VaultError as error:
            outcome = error.code
            raise
        finally:
            self.observe(request.name, outcome, time.monotonic() - began)

    def _call(self, request: Request, answer: type[_A]) -> _A:
        if ANSWERS[type(request)] is not answer:
            raise TypeError(f"{request.name} is not answered by {answer.__name__}")
        try:
            response = self._http.post(
                f"/v1/{request.name}",
                content=msgspec.json.encode(request),
                timeout=httpx.Timeout(
                    connect=_CONNECT_S, read=request.patience_s, write=_WRITE_S, pool=_POOL_S
                ),
            )
        except httpx.HTTPError:
            # The request's body holds a password: the cause stays out of the trace.
            raise KmsUnavailableError("the key service") from None
        try:
            if response.is_success:
                return msgspec.json.decode(response.content, type=answer)
            refusal = msgspec.json.decode(response.content, type=Refusal)
        except msgspec.DecodeError:
            raise KmsUnavailableError("the key service") from None
        raise rebuild(refusal.code, refusal.detail, refusal.retry_after_s)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
