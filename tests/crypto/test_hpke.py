"""HPKE: sealing by the library, opening with a Diffie-Hellman value from outside; both as in RFC 9180."""

import hashlib
import os
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.crypto.examples import ESCROW, changed_in_one_field
from tests.vectors.load import load
from vault_service.crypto.hpke import (
    SEALED_KEY_BYTES,
    _decap,
    _key_schedule,
    load_public_key,
    open_with,
    seal_to,
)
from vault_service.domain.errors import SealBrokenError

SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
DEK = b"thirty-two bytes of key material"
INFO = ESCROW.encode()
VECTORS = load("hpke")


def point(private: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key, uncompressed."""
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def multiplier(private: ec.EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Does in software what the token does with CKM_ECDH1_DERIVE."""
    return lambda peer: private.exchange(ec.ECDH(), load_public_key(peer))


PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = point(PRIVATE)
COMPRESSED = PRIVATE.public_key().public_bytes(
    Encoding.X962, PublicFormat.CompressedPoint
)  # has another hash


def _private(vector: dict[str, str]) -> ec.EllipticCurvePrivateKey:
    private = ec.derive_private_key(int(vector["skRm"], 16), ec.SECP256R1())
    assert point(private).hex() == vector["pkRm"]
    return private


def test_decapsulation_gives_the_rfc_s_shared_secret() -> None:
    vector = VECTORS["rfc9180_a3"]
    enc = bytes.fromhex(vector["enc"])

    shared = _decap(multiplier(_private(vector))(enc), enc, bytes.fromhex(vector["pkRm"]))

    assert shared.hex() == vector["shared_secret"]


def test_a_thousand_messages_of_the_suite_come_out_as_published() -> None:
    """Our key and nonce reproduce the ciphertexts of RFC 9180's vectors for exactly this suite."""
    vector = VECTORS["accumulated"]
    enc = bytes.fromhex(vector["enc"])
    shared = _decap(multiplier(_private(vector))(enc), enc, bytes.fromhex(vector["pkRm"]))
    key, base_nonce = _key_schedule(shared, bytes.fromhex(vector["info"]))
    source = memoryview(hashlib.shake_128(b"").digest(1000 * 2 * 256))
    sink = hashlib.shake_128()

    def draw() -> bytes:
        nonlocal source
        length = source[0]
        drawn, source = bytes(source[1 : 1 + length]), source[1 + length :]
        return drawn

    for sequence in range(1000):
        nonce = (int.from_bytes(base_nonce, "big") ^ sequence).to_bytes(12, "big")
        aad, plaintext = draw(), draw()
        sink.update(AESGCM(key).encrypt(nonce, plaintext, aad))

    assert sink.digest(16).hex() == vector["encryptions_accumulated"]


def test_we_open_what_the_library_seals_and_the_library_what_we_seal() -> None:
    for number in range(500):
        private = ec.generate_private_key(ec.SECP256R1())
        public, info, plaintext = point(private), os.urandom(number % 70), os.urandom(number % 50)

        theirs = SUITE.encrypt(plaintext, private.public_key(), info=info)
        assert open_with(multiplier(private), public, info, theirs) == plaintext

        ours = seal_to(public, info, plaintext)
        assert SUITE.decrypt(ours, private, info=info) == plaintext


def test_a_sealed_key_has_its_one_length() -> None:
    assert len(seal_to(PUBLIC, INFO, DEK)) == SEALED_KEY_BYTES == 113


@pytest.mark.parametrize(
    ("field", "changed"), list(changed_in_one_field(ESCROW)), ids=lambda one: str(one)[:20]
)
def test_an_escrow_wrap_that_was_moved_does_not_open(field: str, changed: object) -> None:
    assert field
    blob = seal_to(PUBLIC, INFO, DEK)

    with pytest.raises(SealBrokenError):
        open_with(multiplier(PRIVATE), PUBLIC, changed.encode(), blob)  # type: ignore[attr-defined]  # a context


def test_every_flipped_bit_is_noticed() -> None:
    blob = seal_to(PUBLIC, INFO, DEK)
    for position in range(len(blob)):
        for bit in range(8):
            broken = bytearray(blob)
            broken[position] ^= 1 << bit
            with pytest.raises(SealBrokenError):
                open_with(multiplier(PRIVATE), PUBLIC, INFO, bytes(broken))


def test_every_truncation_and_extension_is_noticed() -> None:
    blob = seal_to(PUBLIC, INFO, DEK)
    for end in range(len(blob)):
        with pytest.raises(SealBrokenError):
            open_with(multiplier(PRIVATE), PUBLIC, INFO, blob[:end])
    for end in range(65 + 16):  # too short for a point and a tag: no work for the token
        with pytest.raises(SealBrokenError):
            open_with(lambda _peer: pytest.fail("the private key was used"), PUBLIC, INFO, blob[:end])
    for longer in (blob + b"\x00", b"\x04" + blob, blob + blob):
        with pytest.raises(SealBrokenError):
            open_with(multiplier(PRIVATE), PUBLIC, INFO, longer)


def test_neither_another_private_key_nor_another_public_key_opens() -> None:
    """The public key is part of the key schedule: a swapped one is noticed in any case."""
    other = ec.generate_private_key(ec.SECP256R1())
    blob = seal_to(PUBLIC, INFO, DEK)

    for private, public in ((other, point(other)), (other, PUBLIC), (PRIVATE, point(other))):
        with pytest.raises(SealBrokenError):
            open_with(multiplier(private), public, INFO, blob)


_P = 2**256 - 2**224 + 2**192 + 2**96 - 1  # FIPS 186-4, D.1.2.3


def _unreduced() -> bytes:
    """A point of the curve, its x spelled as x + p: a second spelling of one public key."""
    x = 5
    small = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x.to_bytes(32, "big"))
    y = small.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[33:]
    return b"\x04" + (x + _P).to_bytes(32, "big") + y


_ODD_POINTS = {
    "the point at infinity, padded": bytes(65),
    "zero": b"\x04" + bytes(64),
    "one off the curve": PUBLIC[:-1] + bytes([PUBLIC[-1] ^ 1]),
    "a coordinate that is not reduced": _unreduced(),
    "all ones": b"\x04" + b"\xff" * 64,
    "compressed, padded": b"\x02" + PUBLIC[1:],
    "hybrid": bytes([6 + PUBLIC[-1] % 2]) + PUBLIC[1:],
}


@pytest.mark.parametrize("odd", _ODD_POINTS.values(), ids=_ODD_POINTS)
def test_an_invalid_point_never_reaches_the_private_key(odd: bytes) -> None:
    """An invalid-curve attack reads a private key out of a token that multiplies anything."""
    asked: list[bytes] = []

    def recording(peer: bytes) -> bytes:
        asked.append(peer)
        return bytes(32)

    with pytest.raises(SealBrokenError):
        open_with(recording, PUBLIC, INFO, odd + bytes(48))

    assert asked == []


_ODD_LENGTHS = {
    "compressed": COMPRESSED,
    "a byte short": PUBLIC[:-1],
    "a byte long": PUBLIC + b"\x00",
    "one byte": b"\x00",
    "nothing": b"",
}


@pytest.mark.parametrize(
    "odd", [*_ODD_POINTS.values(), *_ODD_LENGTHS.values()], ids=[*_ODD_POINTS, *_ODD_LENGTHS]
)
def test_nothing_is_sealed_to_an_invalid_point(odd: bytes) -> None:
    with pytest.raises(SealBrokenError):
        seal_to(odd, INFO, DEK)
