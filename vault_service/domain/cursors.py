"""Cursors of pages: where the page before ended, opaque to clients, secret to nobody."""

import base64
import binascii
from uuid import UUID

from vault_service.domain.errors import InvalidInputError


def format_cursor(last: UUID) -> str:
    """22 characters of unpadded base64url."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode("ascii")


def parse_cursor(cursor: str) -> UUID:
    """Raises InvalidInputError on anything but the one spelling of a cursor."""
    try:
        last = UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise InvalidInputError("cursor", "not one that this list gave") from None
    if format_cursor(last) != cursor:
        raise InvalidInputError("cursor", "not one that this list gave")
    return last
