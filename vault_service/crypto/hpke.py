"""HPKE (RFC 9180), base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one message.

Sealing uses the library. Opening takes the Diffie-Hellman value from outside, since the private
key may be one that never leaves a token: `decap_point` is what the token is asked to multiply.
"""

import hmac
from collections.abc import Iterable, Sequence
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from vault_service.crypto.seal import KEY_BYTES
from vault_service.domain.errors import SealBrokenError

ENC_BYTES = 65  # uncompressed P-256 point
SEALED_KEY_BYTES = ENC_BYTES + KEY_BYTES + 16  # 113

_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEM_ID = b"KEM" + (0x0010).to_bytes(2, "big")
_HPKE_ID = b"HPKE" + (0x0010).to_bytes(2, "big") + (0x0001).to_bytes(2, "big") + (0x0002).to_bytes(2, "big")
_VERSION = b"HPKE-v1"
_HASH_BYTES = 32


class DiffieHellman(Protocol):
    """A peer's point (65 bytes, uncompressed) times the private key: the x coordinate, 32 bytes."""

    def __call__(self, peer: bytes, /) -> bytes:
        """The shared secret."""
        ...


def load_public_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """Parse an uncompressed point; one that is not on the curve raises SealBrokenError."""
    if len(point) != ENC_BYTES or point[0] != 4:
        raise SealBrokenError
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise SealBrokenError from None


def seal_to(public_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Encapsulated key and ciphertext, to a P-256 public key; `info` binds the context."""
    return _SUITE.encrypt(plaintext, load_public_key(public_key), info=info)


def seal_all_to(public_key: bytes, sealing: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The same for many: info and plaintext of each."""
    key = load_public_key(public_key)
    return [_SUITE.encrypt(plaintext, key, info=info) for info, plaintext in sealing]


def open_with(private: DiffieHellman, public_key: bytes, info: bytes, blob: bytes) -> bytes:
    """Open what `seal_to` made (RFC 9180, sections 4.1 and 5.1). Raises SealBrokenError."""
    (opened,) = open_all_with(private, public_key, [(info, blob)])
    if opened is None:
        raise SealBrokenError
    return opened


def open_all_with(
    private: DiffieHellman, public_key: bytes, sealed: Sequence[tuple[bytes, bytes]]
) -> list[bytes | None]:
    """The same for many: info and blob of each; None for one that does not open.

    All of the token's multiplications first and the rest afterwards: in turn they throw one another out of
    the processor's caches, and take half as long again.
    """
    products = [_product(private, blob) for _, blob in sealed]
    return [
        None if product is None else _open(product, public_key, info, blob)
        for product, (info, blob) in zip(products, sealed, strict=True)
    ]


def _product(private: DiffieHellman, blob: bytes) -> bytes | None:
    if len(blob) < ENC_BYTES + 16:
        return None
    enc = blob[:ENC_BYTES]
    try:
        load_public_key(enc)  # an invalid point must not reach the token
    except SealBrokenError:
        return None
    return private(enc)


def _open(product: bytes, public_key: bytes, info: bytes, blob: bytes) -> bytes | None:
    key, nonce = _key_schedule(_decap(product, blob[:ENC_BYTES], public_key), info)
    try:
        return AESGCM(key).decrypt(nonce, blob[ENC_BYTES:], b"")
    except InvalidTag:
        return None


def _labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), _VERSION + suite + label + ikm, "sha256")


def _labeled_expand(suite: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869, section 2.3) of at most one block, which is one HMAC: a drill opens millions."""
    if length > _HASH_BYTES:
        raise ValueError("more than one block")
    labeled = length.to_bytes(2, "big") + _VERSION + suite + label + info
    return hmac.digest(prk, labeled + b"\x01", "sha256")[:length]


_NO_PSK_ID_HASH = _labeled_extract(_HPKE_ID, b"", b"psk_id_hash", b"")  # of mode base


def _decap(dh: bytes, enc: bytes, public_key: bytes) -> bytes:
    eae_prk = _labeled_extract(_KEM_ID, b"", b"eae_prk", dh)
    return _labeled_expand(_KEM_ID, eae_prk, b"shared_secret", enc + public_key, 32)


def _key_schedule(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """AES-256-GCM key and the nonce of the first message; mode base, no psk."""
    info_hash = _labeled_extract(_HPKE_ID, b"", b"info_hash", info)
    schedule = b"\x00" + _NO_PSK_ID_HASH + info_hash
    secret = _labeled_extract(_HPKE_ID, shared_secret, b"secret", b"")
    key = _labeled_expand(_HPKE_ID, secret, b"key", schedule, 32)
    nonce = _labeled_expand(_HPKE_ID, secret, b"base_nonce", schedule, 12)
    return key, nonce
