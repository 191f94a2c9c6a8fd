"""A share key's private half opens for its own officer's passkey, and shares for the key alone."""

import os
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec

from tests.rig.passkeys import (
    SoftPasskey,
    open_sealed,
    open_share_key,
    pkcs8_of,
    point_of,
    wrap_share_key,
)
from vault_service.crypto import xwing
from vault_service.crypto.share_key import (
    is_for_passkey,
    may_be_sealed,
    prf_input,
    seal_to_officer,
    takes_shares,
    wrap_info,
)
from vault_service.domain.errors import SealBrokenError

VAULT, OFFICER, AUTHENTICATOR = bytes(range(32)), UUID(int=1), UUID(int=2)
OWN = SoftPasskey()
INFO = wrap_info(VAULT, OFFICER, AUTHENTICATOR, OWN.share_key)


def test_every_officer_of_every_vault_derives_from_something_else() -> None:
    inputs = {
        prf_input(VAULT, OFFICER),
        prf_input(VAULT[::-1], OFFICER),
        prf_input(VAULT, AUTHENTICATOR),
    }
    assert len(inputs) == 3
    assert {len(each) for each in inputs} == {32}


@pytest.mark.parametrize(
    "elsewhere",
    [
        wrap_info(VAULT[::-1], OFFICER, AUTHENTICATOR, OWN.share_key),
        wrap_info(VAULT, UUID(int=3), AUTHENTICATOR, OWN.share_key),
        wrap_info(VAULT, OFFICER, UUID(int=3), OWN.share_key),
        wrap_info(VAULT, OFFICER, AUTHENTICATOR, SoftPasskey().share_key),
    ],
    ids=["vault", "officer", "authenticator", "share key"],
)
def test_a_wrapped_share_key_that_was_moved_does_not_open(elsewhere: bytes) -> None:
    secret = OWN.prf(prf_input(VAULT, OFFICER))
    wrapped = wrap_share_key(OWN.share_private, secret, INFO)

    assert len(wrapped) == 166  # as the browser makes it: nonce 12, PKCS #8 138, tag 16
    assert pkcs8_of(open_share_key(wrapped, secret, INFO)) == pkcs8_of(OWN.share_private)
    with pytest.raises(InvalidTag):
        open_share_key(wrapped, secret, elsewhere)
    with pytest.raises(InvalidTag):
        open_share_key(wrapped, SoftPasskey().prf(prf_input(VAULT, OFFICER)), INFO)


def test_shares_are_sealed_with_the_suite_of_the_officer_s_key() -> None:
    sealed = seal_to_officer(OWN.share_key.hex(), b"place", b"words")
    assert open_sealed(OWN.share_private, b"place", sealed) == b"words"
    with pytest.raises(SealBrokenError):
        open_sealed(OWN.share_private, b"another place", sealed)
    with pytest.raises(SealBrokenError):
        open_sealed(ec.generate_private_key(ec.SECP256R1()), b"place", sealed)

    seed = os.urandom(xwing.SEED_BYTES)
    sealed = seal_to_officer(xwing.public_key(seed).hex(), b"place", b"words")
    assert xwing.open_sealed_to(seed, b"place", sealed) == b"words"


FILE_KEY = xwing.public_key(bytes(32)).hex()


@pytest.mark.parametrize(
    "key",
    ["", "00", "04" + "00" * 64, "03" * 33, "zz", OWN.share_key.hex()[2:],
     "zz" * 1216, "ff" * 1216, FILE_KEY[:-64] + "00" * 32],
    ids=["nothing", "short", "off the curve", "compressed", "no hex", "cut",
         "no hex of the size", "not reduced", "a point of small order"],
)  # fmt: skip
def test_what_is_no_key_takes_no_shares(key: str) -> None:
    assert not takes_shares(key)
    assert not is_for_passkey(key)


def test_keys_of_both_kinds_take_shares() -> None:
    file = xwing.public_key(bytes(32)).hex()
    assert takes_shares(file)
    assert not is_for_passkey(file)
    assert takes_shares(OWN.share_key.hex())
    assert is_for_passkey(point_of(OWN.share_private).hex())


@pytest.mark.parametrize(("size", "fits"), [(0, False), (81, False), (82, True), (593, True), (594, False)])
def test_a_sealed_share_has_a_size_that_bounds_what_is_kept(size: int, fits: bool) -> None:
    assert may_be_sealed(bytes(size)) == fits
