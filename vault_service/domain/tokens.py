"""Bearer tokens: a prefix that secret scanners can find, ids for the look-up, 32 random bytes.

`vsa_` app key: app id, key id, secret. `vss_` session: user id, session id, secret.
`vso_` one-time password: the secret alone.
"""

import base64
import binascii
import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

from vault_service.domain.errors import AppKeyRefusedError, SessionRefusedError
from vault_service.domain.ids import AppId, SessionId, UserId

SECRET_BYTES = 32
_ONE_TIME = re.compile(r"vso_[A-Za-z0-9_-]{43}")  # 32 bytes in unpadded base64url
_BODY_BYTES = 16 + 16 + SECRET_BYTES  # 64 bytes: 86 characters of unpadded base64url


def new_secret() -> bytes:
    """32 bytes from the system's generator."""
    return secrets.token_bytes(SECRET_BYTES)


def secret_hash(secret: bytes) -> bytes:
    """SHA-256 suffices for the look-up of a secret of 256 random bits."""
    return hashlib.sha256(secret).digest()


def new_one_time_password() -> str:
    """`vso_` and 32 random bytes in base64url."""
    return "vso_" + secrets.token_urlsafe(SECRET_BYTES)


def is_one_time_password(password: str) -> bool:
    """Whether it has the form of one, which nobody may choose: so the password itself says what it is.

    Of the NFC form, as a password is read (crypto/argon2.py): there are other spellings of an ASCII letter,
    such as U+212A of K.
    """
    return _ONE_TIME.fullmatch(unicodedata.normalize("NFC", password)) is not None


def _format(prefix: str, body: bytes) -> str:
    return prefix + base64.urlsafe_b64encode(body).rstrip(b"=").decode("ascii")


def _parse(prefix: str, token: str) -> bytes | None:
    """The 64 bytes behind the prefix; None unless the token is in its one canonical spelling."""
    if not token.startswith(prefix) or len(token) != len(prefix) + 86 or not token.isascii():
        return None
    try:
        body = base64.b64decode(token[len(prefix) :] + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return body if len(body) == _BODY_BYTES and _format(prefix, body) == token else None


@dataclass(frozen=True, slots=True)
class AppKey:
    """What an app sends with each request that is not a user's."""

    app: AppId
    key: UUID
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, token: str) -> Self:
        """Raises AppKeyRefusedError on anything but a well-formed key."""
        body = _parse("vsa_", token)
        if body is None:
            raise AppKeyRefusedError
        return cls(AppId(UUID(bytes=body[:16])), UUID(bytes=body[16:32]), body[32:])

    def reveal(self) -> str:
        """The token as the app keeps it."""
        return _format("vsa_", self.app.bytes + self.key.bytes + self.secret)


@dataclass(frozen=True, slots=True)
class SessionToken:
    """What a signed-in user's requests carry; its secret opens the session's DEK wrap."""

    user: UserId
    session: SessionId
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, token: str) -> Self:
        """Raises SessionRefusedError on anything but a well-formed token."""
        body = _parse("vss_", token)
        if body is None:
            raise SessionRefusedError
        return cls(UserId(UUID(bytes=body[:16])), SessionId(UUID(bytes=body[16:32])), body[32:])

    def reveal(self) -> str:
        """The token as the client keeps it."""
        return _format("vss_", self.user.bytes + self.session.bytes + self.secret)
