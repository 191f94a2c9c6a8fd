"""Sealing to an officer's X-Wing key: opens for that officer, in that place, unchanged, or not at all."""

import pytest

from tests.vectors.load import load
from vault_service.crypto.xwing import PUBLIC_BYTES, open_sealed_to, public_key, seal_to
from vault_service.domain.errors import SealBrokenError

VECTOR = load("xwing")
SEED = bytes.fromhex(VECTOR["seed"])
PUBLIC = public_key(SEED)
SHARE = b"one share of a secret, as twenty or so words of a list"
INFO = b"where it belongs"
BLOB = seal_to(PUBLIC, INFO, SHARE)


def test_a_seed_gives_the_draft_s_public_key() -> None:
    """Both halves: ML-KEM-768 at the beginning, X25519 at the end."""
    assert len(PUBLIC) == PUBLIC_BYTES == 1216
    assert PUBLIC[:32].hex() == VECTOR["public_key_begins"]
    assert PUBLIC[-32:].hex() == VECTOR["public_key_ends"]


def test_what_is_sealed_opens() -> None:
    assert open_sealed_to(SEED, INFO, BLOB) == SHARE
    assert open_sealed_to(SEED, b"", seal_to(PUBLIC, b"", b"")) == b""


def test_it_opens_neither_elsewhere_nor_for_another() -> None:
    for seed, info in ((SEED[::-1], INFO), (SEED, INFO + b"\x00"), (SEED, b"")):
        with pytest.raises(SealBrokenError):
            open_sealed_to(seed, info, BLOB)


def test_every_changed_byte_is_noticed() -> None:
    for position in range(len(BLOB)):
        broken = bytearray(BLOB)
        broken[position] ^= 1
        with pytest.raises(SealBrokenError):
            open_sealed_to(SEED, INFO, bytes(broken))


def test_every_truncation_and_extension_is_noticed() -> None:
    for end in range(len(BLOB)):
        with pytest.raises(SealBrokenError):
            open_sealed_to(SEED, INFO, BLOB[:end])
    with pytest.raises(SealBrokenError):
        open_sealed_to(SEED, INFO, BLOB + b"\x00")


@pytest.mark.parametrize(
    "odd",
    [b"", PUBLIC[:-1], PUBLIC + b"\x00", b"\xff" * PUBLIC_BYTES, PUBLIC[:-32] + bytes(32)],
    ids=["nothing", "too short", "too long", "not reduced", "a point of small order"],
)
def test_nothing_is_sealed_to_a_bad_key(odd: bytes) -> None:
    with pytest.raises(SealBrokenError):
        seal_to(odd, INFO, SHARE)
