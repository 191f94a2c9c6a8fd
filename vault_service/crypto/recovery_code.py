"""A recovery code as people write it down: 128 random bits in Crockford's base 32, in groups of five.

No checksum: a mistyped letter is refused like a wrong code, and the code is not used up by that. Letters that
are taken for digits (I, L, O) are read as those; the alphabet has no U (crockford.com/base32.html).
"""

import os

from vault_service.domain.errors import InvalidInputError

CODE_BYTES = 16
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGITS = 26  # of 5 bits; the last two bits are zero
_GROUP = 5
_READ_AS = str.maketrans("ILO", "110", "- ")


def new_code() -> bytes:
    """16 bytes from the system's generator."""
    return os.urandom(CODE_BYTES)


def format_code(code: bytes) -> str:
    """Such as `7ZK3M-…`: 26 characters in groups."""
    number = int.from_bytes(code, "big") << (5 * _DIGITS - 8 * CODE_BYTES)
    digits = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * (_DIGITS - 1), -1, -5))
    return "-".join(digits[at : at + _GROUP] for at in range(0, _DIGITS, _GROUP))


def parse_code(typed: str) -> bytes:
    """16 bytes. Raises InvalidInputError for what is no code at all, whoever's."""
    digits = typed.upper().translate(_READ_AS)
    number = 0
    for digit in digits:
        at = _ALPHABET.find(digit)
        if at < 0:
            raise _no_code()
        number = number << 5 | at
    spare = 5 * _DIGITS - 8 * CODE_BYTES
    if len(digits) != _DIGITS or number % (1 << spare):
        raise _no_code()
    return (number >> spare).to_bytes(CODE_BYTES, "big")


def _no_code() -> InvalidInputError:
    return InvalidInputError("recovery_code", "not the 26 letters and digits of a recovery code")
