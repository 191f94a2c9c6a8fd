"""How the texts of the log's formats are read: one spelling of each value, and every other one refused.

Two readers who take a text differently can be shown two logs with one signature; so nothing lenient here.
"""

import base64
import binascii
import re

from vault_service.tlog.errors import NoteError

MAX_BYTES = 1 << 20  # of a note, a request or an answer
MAX_NUMBER = 2**63 - 1
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # all of Unicode's Cc but newline
_SURROGATE = re.compile("[\ud800-\udfff]")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def text_of(message: str | bytes) -> str:
    """UTF-8 without control characters but newline, which also ends it. Raises NoteError."""
    text = message if isinstance(message, str) else _decoded(message)
    if len(text) > MAX_BYTES:  # before more work is done for whoever sent it
        raise NoteError(f"the text is longer than {MAX_BYTES} bytes")
    if _SURROGATE.search(text):
        raise NoteError("the text holds a lone surrogate")
    if len(text.encode()) > MAX_BYTES:
        raise NoteError(f"the text is longer than {MAX_BYTES} bytes")
    if "\r" in text:
        raise NoteError("the text holds a carriage return; lines end with a newline alone")
    if _CONTROL.search(text):
        raise NoteError("the text holds a control character")
    if not text.endswith("\n"):
        raise NoteError("the last line does not end with a newline")
    return text


def _decoded(message: bytes) -> str:
    if len(message) > MAX_BYTES:
        raise NoteError(f"the text is longer than {MAX_BYTES} bytes")
    try:
        return message.decode()
    except UnicodeDecodeError:
        raise NoteError("the text is not UTF-8") from None


def number_of(text: str, what: str) -> int:
    """A decimal number from 0 to 2**63 - 1 in its only spelling. Raises NoteError."""
    if not _DECIMAL.fullmatch(text):
        raise NoteError(f"{what} is not a decimal number in ASCII digits without sign or leading zeros")
    if int(text) > MAX_NUMBER:
        raise NoteError(f"{what} is larger than 2**63 - 1")
    return int(text)


def bytes_of(text: str, what: str) -> bytes:
    """What standard base64 (RFC 4648 section 4) stands for, padded and canonical. Raises NoteError."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: characters beyond ASCII
        raise NoteError(f"{what} is not base64") from None
    if base64_of(value) != text:  # spare bits set: a second spelling of the same bytes
        raise NoteError(f"{what} is not canonical base64")
    return value


def hash_of(text: str, what: str) -> bytes:
    """A SHA-256 hash, 32 bytes. Raises NoteError."""
    value = bytes_of(text, what)
    if len(value) != 32:
        raise NoteError(f"{what} has {len(value)} bytes, not 32")
    return value


def base64_of(value: bytes) -> str:
    """Standard base64, padded (RFC 4648 section 4)."""
    return base64.b64encode(value).decode("ascii")


def name_of(text: str, what: str) -> str:
    """A key's name: not empty, no Unicode space, no plus, no control character (C2SP signed-note)."""
    if not text:
        raise NoteError(f"{what} is empty")
    if any(each.isspace() for each in text):
        raise NoteError(f"{what} holds a space")
    if "+" in text:
        raise NoteError(f"{what} holds a plus sign")
    if _CONTROL.search(text):
        raise NoteError(f"{what} holds a control character")
    if _SURROGATE.search(text):
        raise NoteError(f"{what} holds a lone surrogate")
    return text
