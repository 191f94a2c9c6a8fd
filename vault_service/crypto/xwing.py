"""Sealing to people: HPKE with X-Wing, so that what is stored today outlives quantum computers.

X-Wing is ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem); the private key is a seed of 32
bytes, expanded as its section 5.2 says.
"""

import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from vault_service.domain.errors import SealBrokenError

SEED_BYTES = 32
_MLKEM_PUBLIC = 1184
PUBLIC_BYTES = _MLKEM_PUBLIC + 32

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _expand(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    expanded = hashlib.shake_256(seed).digest(96)
    return (
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]),
        X25519PrivateKey.from_private_bytes(expanded[64:]),
    )


def public_key(seed: bytes) -> bytes:
    """1,216 bytes: the ML-KEM-768 key, then the X25519 key."""
    kem, curve = _expand(seed)
    return kem.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()


def seal_to(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal to a public key; `info` binds the context. Raises SealBrokenError on a bad key."""
    try:
        key = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
            X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
        )
        return _SUITE.encrypt(plaintext, key, info=info)
    except ValueError:  # another length, coefficients not reduced, a point of small order
        raise SealBrokenError from None


def is_public_key(public: bytes) -> bool:
    """Whether anything can be sealed to it: tried (1 ms), since of 1,216 bytes not all are a key."""
    try:
        seal_to(public, b"", b"")
    except SealBrokenError:
        return False
    return True


def open_sealed_to(seed: bytes, info: bytes, blob: bytes) -> bytes:
    """Open what was sealed to this seed's public key. Raises SealBrokenError."""
    try:
        return _SUITE.decrypt(blob, MLKEM768X25519PrivateKey(*_expand(seed)), info=info)
    except (InvalidTag, ValueError):
        raise SealBrokenError from None
