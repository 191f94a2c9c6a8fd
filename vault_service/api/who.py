"""Who is asking: an app by its key, a user by a session token, or anybody (RFC 6750, section 2.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from vault_service.domain.errors import AppKeyRefusedError, SessionRefusedError, VaultError
from vault_service.domain.tokens import AppKey, SessionToken

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class Who(Generic[W]):
    """A way to say who one is."""

    scheme: str | None  # its name in the OpenAPI document
    description: str
    refusal: type[VaultError] | None
    identify: Callable[[str | None], W]  # from the Authorization header; checks the form only


def _bearer(header: str | None) -> str:
    """The token behind `Bearer`; empty when there is none."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _app_key(header: str | None) -> AppKey:
    token = _bearer(header)
    if token.startswith("vss_"):
        raise AppKeyRefusedError("a session token (vss_…) was sent where an app key (vsa_…) is asked for")
    return AppKey.parse(token)


def _session(header: str | None) -> SessionToken:
    token = _bearer(header)
    if token.startswith("vsa_"):
        raise SessionRefusedError(
            "an app key (vsa_…) was sent where a session token (vss_…) is asked for; see POST /v1/sessions"
        )
    return SessionToken.parse(token)


APP: Who[AppKey] = Who(
    "app_key",
    "Authorization: Bearer vsa_…, the key that the operator gave the app (vaultctl app create).",
    AppKeyRefusedError,
    _app_key,
)
SESSION: Who[SessionToken] = Who(
    "session",
    "Authorization: Bearer vss_…, the token that POST /v1/sessions gave.",
    SessionRefusedError,
    _session,
)
ANYBODY: Who[None] = Who(None, "Needs no key.", None, lambda _: None)
