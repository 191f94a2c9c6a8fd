"""The sealing construction: opens for exactly its key and its place, and says nothing else."""

import hmac
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from tests.crypto.examples import CONTEXTS, MOVED, PASSWORD, name_of
from tests.crypto.two_key_ciphertext import two_key_ciphertext
from tests.vectors.load import load
from vault_service.crypto.seal import OVERHEAD, VERSION, WRAPPED_KEY_BYTES, hkdf, open_sealed, seal
from vault_service.domain.contexts import Context
from vault_service.domain.errors import SealBrokenError

KEY = bytes(range(32))
SECRET = b"thirty-two bytes of key material"
_HKDF = load("hkdf_sha256")["cases"]
_GCM = load("aes_gcm")["cases"]


@pytest.mark.parametrize("case", _HKDF, ids=[case["name"] for case in _HKDF])
def test_the_library_s_hkdf_gives_the_rfc_s_values(case: dict[str, str]) -> None:
    salt, info, okm = (bytes.fromhex(case[name]) for name in ("salt", "info", "okm"))

    derived = HKDF(algorithm=SHA256(), length=len(okm), salt=salt, info=info).derive(
        bytes.fromhex(case["ikm"])
    )

    assert derived == okm


def test_hkdf_gives_the_rfc_s_value_without_salt() -> None:
    case = next(case for case in _HKDF if case["name"] == "A.3")

    assert hkdf(bytes.fromhex(case["ikm"]), b"", 42).hex() == case["okm"]


@pytest.mark.parametrize("case", _GCM, ids=[case["name"] for case in _GCM])
def test_the_library_s_aes_gcm_gives_the_published_values(case: dict[str, str]) -> None:
    key, nonce, aad, plaintext = (bytes.fromhex(case[name]) for name in ("key", "nonce", "aad", "plaintext"))

    assert AESGCM(key).encrypt(nonce, plaintext, aad).hex() == case["ciphertext"] + case["tag"]


@pytest.mark.parametrize("place", CONTEXTS, ids=name_of)
def test_what_is_sealed_opens_in_its_place(place: Context) -> None:
    assert open_sealed(KEY, place, seal(KEY, place, SECRET), length=WRAPPED_KEY_BYTES) == SECRET


@given(st.binary(max_size=300), st.binary(min_size=16, max_size=64))
def test_anything_comes_back_as_it_was(plaintext: bytes, key: bytes) -> None:
    blob = seal(key, PASSWORD, plaintext)

    assert len(blob) == len(plaintext) + OVERHEAD
    assert open_sealed(key, PASSWORD, blob) == plaintext


def test_the_blob_is_laid_out_as_specified() -> None:
    """version, commitment, nonce, ciphertext, tag; rebuilt here from the specification alone."""
    blob = seal(KEY, PASSWORD, SECRET)
    place = PASSWORD.encode()
    okm = HKDF(SHA256(), 64, salt=b"", info=b"vault_service/seal/1\0" + place).derive(KEY)

    assert blob[:1] == b"\x01"
    assert blob[1:33] == okm[32:64]
    assert AESGCM(okm[:32]).decrypt(blob[33:45], blob[45:], b"\x01" + place) == SECRET
    assert len(blob) == 93


def test_no_two_blobs_of_one_secret_are_alike() -> None:
    assert len({seal(KEY, PASSWORD, SECRET) for _ in range(200)}) == 200


@pytest.mark.parametrize(("original", "moved", "field"), MOVED, ids=[entry[2] for entry in MOVED])
def test_a_blob_that_was_moved_does_not_open(original: Context, moved: Context, field: str) -> None:
    assert field
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, moved, seal(KEY, original, SECRET))


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_noticed(bit: int) -> None:
    blob = seal(KEY, PASSWORD, SECRET)
    for position in range(len(blob)):
        broken = bytearray(blob)
        broken[position] ^= 1 << bit
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, bytes(broken))


def test_every_truncation_is_noticed() -> None:
    blob = seal(KEY, PASSWORD, SECRET)
    for end in range(len(blob)):
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, blob[:end])
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, blob[len(blob) - end :])


@pytest.mark.parametrize("extra", [b"\x00", b"\x01", bytes(16), bytes(61)])
def test_every_extension_is_noticed(extra: bytes) -> None:
    blob = seal(KEY, PASSWORD, SECRET)
    for longer in (blob + extra, extra + blob, blob[:45] + extra + blob[45:]):
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, longer)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused_even_where_everything_else_fits(version: int) -> None:
    blob = seal(KEY, PASSWORD, SECRET)

    with pytest.raises(SealBrokenError):
        open_sealed(KEY, PASSWORD, bytes([version]) + blob[1:])


def test_the_parts_of_two_blobs_cannot_be_mixed() -> None:
    """Commitment, nonce and ciphertext of one cannot be put into the other."""
    one, other = seal(KEY, PASSWORD, SECRET), seal(os.urandom(32), PASSWORD, SECRET)
    for start, end in ((1, 33), (33, 45), (45, 93)):
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, one[:start] + other[start:end] + one[end:])


def test_a_wrap_of_another_length_is_refused_although_it_would_open() -> None:
    longer = seal(KEY, PASSWORD, SECRET + b"\x00")

    assert open_sealed(KEY, PASSWORD, longer) == SECRET + b"\x00"
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, PASSWORD, longer, length=WRAPPED_KEY_BYTES)


@given(st.binary(min_size=16, max_size=40), st.binary(min_size=16, max_size=40))
def test_another_key_does_not_open(key: bytes, other: bytes) -> None:
    blob = seal(key, PASSWORD, SECRET)
    if key == other:
        return

    with pytest.raises(SealBrokenError):
        open_sealed(other, PASSWORD, blob)


def test_every_refusal_is_the_same() -> None:
    """Which part was wrong would help whoever builds blobs by trying."""
    blob = seal(KEY, PASSWORD, SECRET)
    broken = [b"", blob[:-1], b"\x02" + blob[1:], blob[:1] + bytes(32) + blob[33:], blob[:-1] + b"\x00\x00"]
    details = set()
    for one in broken:
        with pytest.raises(SealBrokenError) as refused:
            open_sealed(KEY, PASSWORD, one, length=WRAPPED_KEY_BYTES)
        details.add((refused.value.detail, refused.value.__cause__, refused.value.__suppress_context__))

    assert len({detail for detail, _, _ in details}) == 1
    assert all(cause is None for _, cause, _ in details)


def test_the_whole_commitment_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary comparison ends at the first wrong byte, and its time tells how many were right."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare(mine: bytes, theirs: bytes) -> bool:
        compared.append((mine, theirs))
        return real(mine, theirs)

    blob = seal(KEY, PASSWORD, SECRET)
    derived = hkdf(KEY, b"vault_service/seal/1\0" + PASSWORD.encode(), 64)
    altered = blob[:32] + bytes([blob[32] ^ 1]) + blob[33:]
    with monkeypatch.context() as patch:
        patch.setattr(hmac, "compare_digest", compare)
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, PASSWORD, altered)

    assert compared == [(altered[:33], VERSION + derived[32:])]


def test_a_two_key_ciphertext_opens_under_both_keys_in_plain_aes_gcm_and_under_one_here() -> None:
    """With it, one answer tells an attacker about two passwords at once, with more keys about many."""
    keys = os.urandom(32), os.urandom(32)
    nonce, place = os.urandom(12), PASSWORD.encode()
    derived = [hkdf(key, b"vault_service/seal/1\0" + place, 64) for key in keys]
    forged = two_key_ciphertext(derived[0][:32], derived[1][:32], nonce, VERSION + place, os.urandom(16))

    for okm in derived:
        assert len(AESGCM(okm[:32]).decrypt(nonce, forged, VERSION + place)) == 32

    for mine, theirs in ((0, 1), (1, 0)):
        blob = VERSION + derived[mine][32:] + nonce + forged
        assert len(blob) == WRAPPED_KEY_BYTES
        assert open_sealed(keys[mine], PASSWORD, blob)
        with pytest.raises(SealBrokenError):
            open_sealed(keys[theirs], PASSWORD, blob)
