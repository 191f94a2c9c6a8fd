"""Signatures of officers, of the token and of the sheets on paper: one private key, one message."""

from uuid import UUID

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.crypto.test_manifest_chain import GENESIS
from tests.vectors.load import load
from vault_service.crypto.ed25519 import is_of_small_order, verify_ed25519
from vault_service.crypto.manifest_chain import break_glass_endorsement, is_endorsed_by_break_glass
from vault_service.crypto.note_signature import check_note_signature
from vault_service.crypto.officer_signature import verify_signature
from vault_service.domain.ceremony_note import note_signing_input
from vault_service.domain.manifest import Authenticator, BreakGlass, Manifest, PublicKeyGeneration, State
from vault_service.domain.recovery_errors import NoteRefusedError

VECTORS = load("ed25519")
_CASES = VECTORS["cases"]
_L = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, section 5.1
_WITHOUT_A_KEY = b"\x01" + bytes(63)  # R is the neutral point and S is 0
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
MESSAGE = b"what is signed"
SIGNATURE = KEY.sign(MESSAGE)

SMALL = {
    f"{name}{', negative' if sign else ''}": bytes.fromhex(point[:-2]) + bytes([int(point[-2:], 16) | sign])
    for name, point in VECTORS["small_order"].items()
    for sign in (0, 0x80)
}


@pytest.mark.parametrize("case", _CASES, ids=[case["name"] for case in _CASES])
def test_the_rfc_s_signatures_stand(case: dict[str, str]) -> None:
    public, message, signature = (
        bytes.fromhex(case[name]) for name in ("public_key", "message", "signature")
    )

    verify_ed25519(public, signature, message)

    for other in (b"", message + b"\x00"):
        if other != message:
            with pytest.raises(InvalidSignature):
                verify_ed25519(public, signature, other)


def test_every_flipped_bit_is_noticed() -> None:
    verify_ed25519(PUBLIC, SIGNATURE, MESSAGE)
    for bit in range(8 * len(SIGNATURE)):
        broken = bytearray(SIGNATURE)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InvalidSignature):
            verify_ed25519(PUBLIC, bytes(broken), MESSAGE)


def test_a_signature_has_one_spelling() -> None:
    """S and S + L give the same point: a second signature that nobody made."""
    again = int.from_bytes(SIGNATURE[32:], "little") + _L

    with pytest.raises(InvalidSignature):
        verify_ed25519(PUBLIC, SIGNATURE[:32] + again.to_bytes(32, "little"), MESSAGE)


@pytest.mark.parametrize(
    ("public", "signature"),
    [(PUBLIC, b""), (PUBLIC, SIGNATURE[:-1]), (PUBLIC, SIGNATURE + b"\x00"), (b"", SIGNATURE),
     (PUBLIC[:-1], SIGNATURE), (PUBLIC + b"\x00", SIGNATURE), (b"\x02" + bytes(31), SIGNATURE)],
    ids=["no signature", "a short one", "a long one", "no key", "a short key", "a long key", "off the curve"],
)  # fmt: skip
def test_what_is_no_key_or_signature_is_refused_like_a_wrong_one(public: bytes, signature: bytes) -> None:
    with pytest.raises(InvalidSignature):
        verify_ed25519(public, signature, MESSAGE)


@pytest.mark.parametrize("point", SMALL.values(), ids=SMALL)
def test_nothing_is_signed_in_the_name_of_a_key_that_needs_no_private_half(point: bytes) -> None:
    """The library takes such a signature for one message in eight, or for all: whoever is admitted as an
    officer with such a key has given a voice to everybody, and can deny it."""
    forged = next(
        message for message in map(bytes, ([n] for n in range(256))) if _library_takes(point, message)
    )

    assert is_of_small_order(point)
    with pytest.raises(InvalidSignature):
        verify_ed25519(point, _WITHOUT_A_KEY, forged)
    with pytest.raises(InvalidSignature):
        verify_signature(Authenticator(UUID(int=1), "key-file", point.hex()), _WITHOUT_A_KEY, forged)


def _library_takes(point: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(point).verify(_WITHOUT_A_KEY, message)
    except InvalidSignature:
        return False
    return True


def test_an_ordinary_key_is_not_of_small_order() -> None:
    assert not is_of_small_order(PUBLIC)


def test_a_break_glass_key_that_needs_no_private_half_endorses_nothing() -> None:
    neutral = SMALL["order 1"].hex()
    manifest = msgspec.structs.replace(GENESIS, break_glass=BreakGlass(neutral, 2))

    assert not is_endorsed_by_break_glass(manifest, b"a body", [break_glass_endorsement(_WITHOUT_A_KEY)])


def _with_note_key(public: bytes, state: State) -> Manifest:
    key = PublicKeyGeneration(1, state, public.hex())
    return msgspec.structs.replace(GENESIS, keys=msgspec.structs.replace(GENESIS.keys, note=(key,)))


def test_a_note_counts_while_its_key_is_current_or_retiring() -> None:
    """Whoever gets hold of a key that was given up must not open ceremonies with it."""
    body = b"a note"
    signature = KEY.sign(note_signing_input(body))

    live: tuple[State, ...] = ("current", "retiring")
    for state in live:
        check_note_signature(body, signature, _with_note_key(PUBLIC, state))
    given_up: tuple[State, ...] = ("prepared", "destroyed")
    for state in given_up:
        with pytest.raises(NoteRefusedError):
            check_note_signature(body, signature, _with_note_key(PUBLIC, state))


def test_a_note_key_that_needs_no_private_half_signs_no_note() -> None:
    with pytest.raises(NoteRefusedError):
        check_note_signature(b"a note", _WITHOUT_A_KEY, _with_note_key(SMALL["order 1"], "current"))
