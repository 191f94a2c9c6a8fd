"""Ed25519 signatures (RFC 8032, section 5.1.7) that stand for whoever has the private key, and nobody else.

The library, as the RFC has it, also takes public keys of small order: with one of these a signature can be
made without any private key, and one signature holds for many messages. Whoever brought such a key as an
officer's would let everybody sign in that officer's name, and could deny every signature.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PUBLIC_BYTES = 32
_P = 2**255 - 19  # RFC 8032, section 5.1
# y of the points of order 8 that are not of order 1, 2 or 4; the other one is its negative.
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_Y = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


def is_of_small_order(public_key: bytes) -> bool:
    """Whether the point's order divides 8, whatever the spelling: y unreduced, or with either sign of x."""
    return (int.from_bytes(public_key, "little") & ((1 << 255) - 1)) % _P in _SMALL_Y


def verify_ed25519(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Whether this key (32 bytes) signed this message. Raises cryptography's InvalidSignature."""
    if is_of_small_order(public_key):
        raise InvalidSignature
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except ValueError:
        raise InvalidSignature from None
