"""The online token computes, keeps its keys inside, and refuses keys that are not the vault's."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import (
    Attribute,
    Key,
    KeyType,
    MechanismFlag,
    ObjectClass,
    PKCS11Error,
    Session,
    SignMixin,
    WrapMixin,
)

from tests.kms.token_fixtures import OpenToken, SoftToken, answers, wait_until, why_away
from vault_service.domain.errors import (
    ConfigurationError,
    TokenKeyError,
    TokenPinRefusedError,
    TokenUnavailableError,
    WrongTokenError,
)
from vault_service.kms.token.admin import started
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace


def test_an_hmac_depends_on_the_key_and_on_the_message(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")
    online.create_hmac_key("pepper/2")

    first = online.hmac("pepper/1", b"message")

    assert len(first) == 32
    assert online.hmac("pepper/1", b"message") == first
    assert online.hmac("pepper/1", b"massage") != first
    assert online.hmac("pepper/2", b"message") != first


def test_a_signature_verifies_under_the_public_key(online: OnlineToken) -> None:
    public = online.create_signing_key("manifest/1")

    signature = online.sign("manifest/1", b"a manifest")

    assert online.public_key("manifest/1") == public
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"a manifest")


def test_a_label_is_given_once(online: OnlineToken) -> None:
    """Whichever kind of key has it: two keys of one label could not be told apart."""
    online.create_hmac_key("case/1")
    before = online.hmac("case/1", b"message")

    with pytest.raises(ConfigurationError):
        online.create_hmac_key("case/1")
    with pytest.raises(ConfigurationError):
        online.create_signing_key("case/1")

    assert online.hmac("case/1", b"message") == before


def test_keys_outlive_the_process_login(open_token: OpenToken) -> None:
    first = open_token()
    first.create_hmac_key("pepper/1")
    before = first.hmac("pepper/1", b"message")
    first.close()

    assert open_token().hmac("pepper/1", b"message") == before


def test_a_closed_token_refuses(online: OnlineToken) -> None:
    online.close()

    with pytest.raises(TokenUnavailableError):
        online.has_key("pepper/1")


def test_a_missing_key_is_named_and_disturbs_nobody_else(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")

    with pytest.raises(TokenKeyError, match="pepper/2"):
        online.hmac("pepper/2", b"message")

    assert len(online.hmac("pepper/1", b"message")) == 32
    assert online.logins == 1


def test_a_key_of_another_kind_is_not_used(online: OnlineToken) -> None:
    online.create_signing_key("manifest/1")
    online.create_hmac_key("pepper/1")

    with pytest.raises(TokenKeyError):
        online.hmac("manifest/1", b"message")
    with pytest.raises(TokenKeyError):
        online.sign("pepper/1", b"message")
    with pytest.raises(TokenKeyError):
        online.public_key("pepper/1")


def test_two_keys_of_one_label_are_both_refused(soft_token: SoftToken, open_token: OpenToken) -> None:
    """Somebody with the PIN may add one and hope that it is taken."""
    _plant_key(soft_token, "pepper/1")
    _plant_key(soft_token, "pepper/1")
    token = open_token()

    with pytest.raises(TokenKeyError, match="2 times"):
        token.hmac("pepper/1", b"message")
    assert token.logins == 1


@pytest.mark.parametrize(
    ("extractable", "sensitive"),
    [(True, True), (False, False)],
    ids=["wrapped by another key", "in the clear"],
)
def test_a_key_that_could_leave_the_token_is_refused(
    soft_token: SoftToken, open_token: OpenToken, extractable: bool, sensitive: bool
) -> None:
    _plant_key(soft_token, "pepper/1", extractable=extractable, sensitive=sensitive)

    with pytest.raises(TokenKeyError, match="could leave"):
        open_token().hmac("pepper/1", b"message")


def _plant_key(token: SoftToken, label: str, *, extractable: bool = False, sensitive: bool = True) -> None:
    with started(token.place) as (_, found), found.open(rw=True, user_pin=token.pin) as session:
        session.generate_key(
            KeyType.GENERIC_SECRET,
            256,
            label=label,
            store=True,
            capabilities=MechanismFlag.SIGN,
            template={Attribute.SENSITIVE: sensitive, Attribute.EXTRACTABLE: extractable},
        )


# --- keys stay inside


@pytest.fixture
def made(open_token: OpenToken) -> None:
    """A token with a key of each kind, closed again."""
    token = open_token()
    token.create_hmac_key("pepper/1")
    token.create_signing_key("manifest/1")
    token.close()


PRIVATE_PARTS = [("pepper/1", ObjectClass.SECRET_KEY), ("manifest/1", ObjectClass.PRIVATE_KEY)]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("label", "kind"), PRIVATE_PARTS)
def test_who_has_the_pin_cannot_take_a_key_out(soft_token: SoftToken, label: str, kind: ObjectClass) -> None:
    with started(soft_token.place) as (_, found), found.open(rw=True, user_pin=soft_token.pin) as session:
        key = session.get_key(object_class=kind, label=label)

        with pytest.raises(PKCS11Error):
            key[Attribute.VALUE]
        with pytest.raises(PKCS11Error):
            _wrap(session, key)


def _wrap(session: Session, key: Key) -> bytes:
    wrapping = session.generate_key(KeyType.AES, 256, store=False)
    assert isinstance(wrapping, WrapMixin)
    return bytes(wrapping.wrap_key(key))


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(("label", "kind"), PRIVATE_PARTS)
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (Attribute.EXTRACTABLE, True),
        (Attribute.SENSITIVE, False),
        (Attribute.MODIFIABLE, True),
        (Attribute.DERIVE, True),
        (Attribute.DECRYPT, True),
        (Attribute.LABEL, "another"),
    ],
)
def test_who_has_the_pin_cannot_give_a_key_other_uses(
    soft_token: SoftToken, label: str, kind: ObjectClass, attribute: Attribute, value: object
) -> None:
    with started(soft_token.place) as (_, found), found.open(rw=True, user_pin=soft_token.pin) as session:
        key = session.get_key(object_class=kind, label=label)
        before = key[attribute]

        with pytest.raises(PKCS11Error):
            key[attribute] = value

        assert key[attribute] == before != value


@pytest.mark.usefixtures("made")
def test_without_the_pin_no_private_part_is_even_listed(soft_token: SoftToken) -> None:
    with started(soft_token.place) as (_, found), found.open() as session:
        assert {each[Attribute.CLASS] for each in list(session.get_objects({}))} == {ObjectClass.PUBLIC_KEY}


@pytest.mark.usefixtures("made")
def test_a_key_does_what_it_is_for_and_nothing_else(soft_token: SoftToken) -> None:
    with started(soft_token.place) as (_, found), found.open(user_pin=soft_token.pin) as session:
        for label, kind in PRIVATE_PARTS:
            key = session.get_key(object_class=kind, label=label)
            assert isinstance(key, SignMixin)
            uses = (Attribute.SIGN, Attribute.DERIVE, Attribute.UNWRAP, Attribute.DECRYPT)
            assert [key[use] for use in uses] == [True, False, False, False]


# --- the PIN


def test_a_wrong_pin_is_tried_once_and_never_again(soft_token: SoftToken) -> None:
    """Real tokens lock after three."""
    token = OnlineToken(soft_token.place, "not-the-pin-of-tests", wait_s=20)
    try:
        with pytest.raises(TokenPinRefusedError) as refusal:
            token.open()
        assert "restart" in refusal.value.remedy
        for _ in range(3):
            with pytest.raises(TokenPinRefusedError):
                token.hmac("pepper/1", b"message")
        supervisor = token._connection._supervisor
        assert supervisor is not None
        supervisor.join(1.0)  # long enough for several attempts, if it made any

        assert supervisor.is_alive()
        assert token.logins == 1
    finally:
        token.close()


def test_no_error_holds_the_pin(soft_token: SoftToken) -> None:
    token = OnlineToken(soft_token.place, "not-the-pin-of-tests", wait_s=20)
    try:
        with pytest.raises(TokenPinRefusedError) as refusal:
            token.open()
        assert "not-the-pin" not in repr(refusal.value) + refusal.value.remedy
    finally:
        token.close()


def test_a_module_that_is_not_there_is_named(soft_token: SoftToken) -> None:
    place = TokenPlace(
        soft_token.home / "nothing.so", "vault-test", soft_token.place.softhsm2_conf, soft_token.home
    )
    token = OnlineToken(place, soft_token.pin, wait_s=0.5)
    try:
        with pytest.raises(TokenUnavailableError):
            token.open()
        wait_until(lambda: "nothing.so" in why_away(token))
    finally:
        token.close()


# --- check values


def test_a_check_value_shows_which_key_it_is(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")
    online.create_hmac_key("pepper/2")

    value = online.key_check_value("pepper/1")

    assert len(value) == 8
    assert online.key_check_value("pepper/1") == value != online.key_check_value("pepper/2")


def test_a_key_with_the_right_check_value_is_used(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")
    online.expect_check_values({"pepper/1": online.key_check_value("pepper/1")})

    assert len(online.hmac("pepper/1", b"message")) == 32
    assert answers(online)


def test_a_key_with_another_check_value_computes_nothing(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")
    online.expect_check_values({"pepper/1": bytes(8)})

    with pytest.raises(WrongTokenError):
        online.hmac("pepper/1", b"message")


def test_calls_are_counted_by_kind(online: OnlineToken) -> None:
    online.create_hmac_key("pepper/1")
    online.hmac("pepper/1", b"one")
    online.hmac("pepper/1", b"two")

    assert online.calls["hmac"] == 2
    assert online.calls["sign"] == 0
