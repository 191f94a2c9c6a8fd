"""The one symmetric construction: committing, context-bound authenticated encryption.

AES-256-GCM alone lets somebody build one ciphertext that opens under many keys (a partitioning
oracle, Len, Grubbs and Ristenpart, USENIX Security 2021). Here HKDF gives the encryption key and
a commitment together; the commitment travels with the blob and is compared first.
"""

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vault_service.domain.contexts import Context
from vault_service.domain.errors import SealBrokenError

VERSION = b"\x01"
_LABEL = b"vault_service/seal/1\0"
_COMMITMENT = 32
_NONCE = 12
_TAG = 16
OVERHEAD = len(VERSION) + _COMMITMENT + _NONCE + _TAG  # 61 bytes
KEY_BYTES = 32
WRAPPED_KEY_BYTES = KEY_BYTES + OVERHEAD  # 93
OUTER_WRAPPED_KEY_BYTES = WRAPPED_KEY_BYTES + OVERHEAD  # 154


def hkdf(key: bytes, info: bytes, length: int = 32) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def seal(key: bytes, place: Context, plaintext: bytes) -> bytes:
    """Encrypt under a key derived for this context: version, commitment, nonce, ciphertext, tag."""
    encoded = place.encode()
    derived = hkdf(key, _LABEL + encoded, 64)
    nonce = os.urandom(_NONCE)
    sealed = AESGCM(derived[:32]).encrypt(nonce, plaintext, VERSION + encoded)
    return VERSION + derived[32:] + nonce + sealed


def open_sealed(key: bytes, place: Context, blob: bytes, *, length: int | None = None) -> bytes:
    """Decrypt what `seal` made for exactly this key and context.

    `length`: the blob's exact length in bytes, for wraps of keys. Raises SealBrokenError, and does
    not say which of length, version, commitment or tag was wrong.
    """
    if len(blob) < OVERHEAD or (length is not None and len(blob) != length):
        raise SealBrokenError
    encoded = place.encode()
    derived = hkdf(key, _LABEL + encoded, 64)
    if not hmac.compare_digest(blob[: 1 + _COMMITMENT], VERSION + derived[32:]):
        raise SealBrokenError
    nonce = blob[1 + _COMMITMENT : 1 + _COMMITMENT + _NONCE]
    try:
        return AESGCM(derived[:32]).decrypt(nonce, blob[1 + _COMMITMENT + _NONCE :], VERSION + encoded)
    except InvalidTag:
        raise SealBrokenError from None
