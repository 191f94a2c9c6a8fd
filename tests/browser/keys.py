"""P-256 key pairs as browsers and our own code exchange them."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from vault_service.crypto.hpke import load_public_key


def point_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    """Uncompressed, 65 bytes."""
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def pkcs8_of(private: ec.EllipticCurvePrivateKey) -> bytes:
    """As WebCrypto imports it."""
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def multiplier(private: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Fit for crypto.hpke.open_with."""
    return lambda peer: private.exchange(ec.ECDH(), load_public_key(peer))
