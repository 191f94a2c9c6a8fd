"""The escrow token opens what was sealed to its key, and its private key cannot leave it."""

import secrets
from collections.abc import Iterator
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, DeriveMixin, ObjectClass, PKCS11Error

from tests.kms.token_fixtures import SoftToken
from vault_service.ceremony.escrow_token import (
    EscrowPinRefusedError,
    EscrowToken,
    _by_the_library,
    open_escrow_token,
)
from vault_service.crypto.hpke import open_all_with, open_with, seal_all_to, seal_to
from vault_service.domain.errors import (
    ConfigurationError,
    SealBrokenError,
    TokenUnavailableError,
    WrongTokenError,
)
from vault_service.kms.token.admin import token_serial
from vault_service.kms.token.bare_ecdh import BareEcdh
from vault_service.kms.token.pkcs11_module import module

CURVE = ec.SECP256R1()
DEK = bytes(range(32))


@pytest.fixture
def escrow(soft_token: SoftToken) -> Iterator[EscrowToken]:
    """An open escrow token."""
    with open_escrow_token(soft_token.place, soft_token.pin) as token:
        yield token


def test_what_was_sealed_to_its_key_opens_in_the_token(escrow: EscrowToken) -> None:
    point = escrow.generate_escrow_key("escrow/1")
    blob = seal_to(point, b"whose and where", DEK)

    assert open_with(escrow.diffie_hellman("escrow/1"), point, b"whose and where", blob) == DEK


def test_in_another_place_it_does_not_open(escrow: EscrowToken) -> None:
    point = escrow.generate_escrow_key("escrow/1")
    blob = seal_to(point, b"whose and where", DEK)

    with pytest.raises(SealBrokenError):
        open_with(escrow.diffie_hellman("escrow/1"), point, b"another's", blob)


def test_another_generations_key_does_not_open_it(escrow: EscrowToken) -> None:
    first, second = escrow.generate_escrow_key("escrow/1"), escrow.generate_escrow_key("escrow/2")
    blob = seal_to(first, b"place", DEK)

    with pytest.raises(SealBrokenError):
        open_with(escrow.diffie_hellman("escrow/2"), second, b"place", blob)


def test_a_key_is_destroyed_whole_and_no_other_one_for_it(escrow: EscrowToken) -> None:
    """By its point: a key that somebody put under the label of another one is evidence."""
    first, second = escrow.generate_escrow_key("escrow/1"), escrow.generate_escrow_key("escrow/2")
    with pytest.raises(WrongTokenError):
        escrow.destroy_escrow_key("escrow/2", first)
    assert escrow.has_key("escrow/2")

    escrow.destroy_escrow_key("escrow/1", first)

    assert not escrow.has_key("escrow/1")
    assert escrow.public_key("escrow/2") == second
    escrow.destroy_escrow_key("escrow/1", first)  # once more, after a crash


def test_many_open_at_once_as_they_do_one_by_one(escrow: EscrowToken) -> None:
    """A broken one among them, or one off the curve, holds up no other."""
    point = escrow.generate_escrow_key("escrow/1")
    blobs = seal_all_to(point, [(b"a", DEK), (b"b", DEK[::-1]), (b"c", DEK)])
    off_the_curve = b"\x04" + bytes(64) + blobs[2][65:]
    sealed = [(b"a", blobs[0]), (b"b", blobs[1]), (b"a", blobs[1]), (b"c", off_the_curve), (b"c", b"short")]

    opened = open_all_with(escrow.diffie_hellman("escrow/1"), point, sealed)

    assert opened == [DEK, DEK[::-1], None, None, None]


def test_it_multiplies_as_software_does(escrow: EscrowToken) -> None:
    """Leading zeros of the shared secret included: about one in 256."""
    point = escrow.generate_escrow_key("escrow/1")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    multiply = escrow.diffie_hellman("escrow/1")
    for done in range(10_000):  # without a leading zero among them: once in 10^17
        ours = ec.generate_private_key(ec.SECP256R1())
        shared = multiply(_encode(ours.public_key()))
        assert shared == ours.exchange(ec.ECDH(), public)
        if shared[0] == 0 and done >= 100:
            return
    pytest.fail("no shared secret began with a zero")


def _encode(key: ec.EllipticCurvePublicKey) -> bytes:
    numbers = key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def test_derived_secrets_do_not_pile_up_in_the_token(escrow: EscrowToken) -> None:
    point = escrow.generate_escrow_key("escrow/1")
    multiply = escrow.diffie_hellman("escrow/1")
    before = len(list(escrow._session.get_objects({})))
    for _ in range(50):
        multiply(_encode(ec.generate_private_key(ec.SECP256R1()).public_key()))

    assert len(list(escrow._session.get_objects({}))) == before
    assert escrow.public_key("escrow/1") == point


def test_a_point_off_the_curve_is_refused_by_the_token_itself(escrow: EscrowToken) -> None:
    """Its answers to such points would tell the private key bit by bit (invalid curve attack)."""
    escrow.generate_escrow_key("escrow/1")

    with pytest.raises(PKCS11Error):
        escrow.diffie_hellman("escrow/1")(b"\x04" + secrets.token_bytes(64))


def test_what_is_asked_for_without_the_library_is_what_the_library_would_get(escrow: EscrowToken) -> None:
    """The same secret, nothing for a point that is none, and nothing left behind in the token."""
    point = escrow.generate_escrow_key("escrow/1")
    found = escrow._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label="escrow/1")
    bare = escrow._module.bare_ecdh(escrow._session, found)
    ours = ec.generate_private_key(ec.SECP256R1())
    before = len(list(escrow._session.get_objects({})))

    shared = bare(_encode(ours.public_key()))

    assert shared == ours.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point))
    assert shared == _by_the_library(cast("DeriveMixin", found), _encode(ours.public_key()))
    assert (bare(b"\x04" + bytes(64)), bare(b"short"), bare(b"")) == (None, None, None)
    assert len(list(escrow._session.get_objects({}))) == before


def test_a_token_that_wants_to_be_asked_by_the_library_is_asked_so(
    escrow: EscrowToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = escrow.generate_escrow_key("escrow/1")
    blob = seal_to(point, b"place", DEK)
    monkeypatch.setattr(BareEcdh, "__call__", lambda *_: None)

    assert open_with(escrow.diffie_hellman("escrow/1"), point, b"place", blob) == DEK


def test_a_ceremony_does_without_the_library_what_it_does_for_everybody(
    escrow: EscrowToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = escrow.generate_escrow_key("escrow/1")
    blob = seal_to(point, b"place", DEK)
    monkeypatch.setattr("vault_service.ceremony.escrow_token._by_the_library", _not_asked)

    assert open_with(escrow.diffie_hellman("escrow/1"), point, b"place", blob) == DEK


def _not_asked(*_: object) -> bytes:
    raise AssertionError("the library was asked, at a quarter more of the time")


def test_a_label_is_given_once(escrow: EscrowToken) -> None:
    escrow.generate_escrow_key("escrow/1")

    with pytest.raises(ConfigurationError, match="escrow/1"):
        escrow.generate_escrow_key("escrow/1")


def test_the_private_key_derives_and_nothing_else(escrow: EscrowToken) -> None:
    escrow.generate_escrow_key("escrow/1")
    key = escrow._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label="escrow/1")

    uses = (Attribute.DERIVE, Attribute.SIGN, Attribute.DECRYPT, Attribute.UNWRAP)
    assert [key[use] for use in uses] == [True, False, False, False]
    assert (key[Attribute.SENSITIVE], key[Attribute.PRIVATE]) == (True, True)
    with pytest.raises(PKCS11Error):
        key[Attribute.VALUE]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (Attribute.EXTRACTABLE, True),
        (Attribute.SENSITIVE, False),
        (Attribute.MODIFIABLE, True),
        (Attribute.SIGN, True),
        (Attribute.UNWRAP, True),
    ],
)
def test_the_private_key_cannot_be_given_other_uses(
    escrow: EscrowToken, attribute: Attribute, value: object
) -> None:
    escrow.generate_escrow_key("escrow/1")
    key = escrow._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label="escrow/1")

    with pytest.raises(PKCS11Error):
        key[attribute] = value

    assert key[attribute] != value


def test_a_wrong_pin_is_refused_without_being_told(soft_token: SoftToken) -> None:
    with (
        pytest.raises(EscrowPinRefusedError) as refusal,
        open_escrow_token(soft_token.place, "not-the-pin-of-tests"),
    ):
        pytest.fail("it opened")

    assert "not-the-pin" not in refusal.value.detail


def test_nothing_stays_open_after_a_ceremony_that_failed(soft_token: SoftToken) -> None:
    """Neither the login nor the lock: the next ceremony begins as if nothing had been."""

    def failing_ceremony() -> None:
        with open_escrow_token(soft_token.place, soft_token.pin) as token:
            token.generate_escrow_key("escrow/1")
            token.diffie_hellman("escrow/2")

    with pytest.raises(TokenUnavailableError):
        failing_ceremony()

    assert token_serial(soft_token.place)
    loaded = module(soft_token.place.module)
    loaded.start(soft_token.place.softhsm2_conf)
    try:
        with loaded.find_token(soft_token.place.label).open() as session:
            assert not list(session.get_objects({Attribute.PRIVATE: True}))
    finally:
        loaded.stop()


def test_a_token_that_is_not_there_cannot_be_opened(soft_token: SoftToken) -> None:
    soft_token.objects.rename(soft_token.home / "away")

    with pytest.raises(TokenUnavailableError), open_escrow_token(soft_token.place, soft_token.pin):
        pytest.fail("it opened")


def test_a_token_that_leaves_during_a_ceremony_is_unavailable(soft_token: SoftToken) -> None:
    def interrupted_ceremony() -> None:
        with open_escrow_token(soft_token.place, soft_token.pin) as token:
            token.generate_escrow_key("escrow/1")
            soft_token.objects.rename(soft_token.home / "away")
            token.public_key("escrow/1")

    with pytest.raises(TokenUnavailableError):
        interrupted_ceremony()
