"""A delivered token is taken over: its transport PIN is worth nothing afterwards."""

from pathlib import Path

import pytest
from pkcs11 import PinIncorrect, UserPinNotInitialized

from tests.kms.token_fixtures import SO_PIN, TRANSPORT_SO_PIN, USER_PIN, SoftToken, deliver
from vault_service.domain.errors import ConfigurationError, TokenUnavailableError
from vault_service.kms.token.admin import started, take_over, token_serial
from vault_service.kms.token.online import OnlineToken
from vault_service.kms.token.pkcs11_module import TokenPlace


@pytest.fixture
def delivered(tmp_path: Path) -> TokenPlace:
    """Initialised, with a transport SO PIN and no user PIN."""
    return deliver(tmp_path / "delivered")


def take(
    place: TokenPlace, *, transport: str = TRANSPORT_SO_PIN, so: str = SO_PIN, user: str = USER_PIN
) -> None:
    take_over(place, transport_so_pin=transport, so_pin=so, user_pin=user)


def test_the_new_pins_open_it_and_the_transport_pin_does_not(delivered: TokenPlace) -> None:
    take(delivered)

    with started(delivered) as (_, token):
        token.open(rw=True, so_pin=SO_PIN).close()
        token.open(user_pin=USER_PIN).close()
        with pytest.raises(PinIncorrect):
            token.open(rw=True, so_pin=TRANSPORT_SO_PIN)


def test_a_wrong_transport_pin_changes_nothing(delivered: TokenPlace) -> None:
    with pytest.raises(ConfigurationError, match="transport PIN"):
        take(delivered, transport="not-the-transport-pin")

    with started(delivered) as (_, token), pytest.raises(UserPinNotInitialized):
        token.open(user_pin=USER_PIN)
    take(delivered)


@pytest.mark.parametrize(
    "pins",
    [{"so": "abc"}, {"user": "abc"}, {"so": "x" * 256}, {"user": "x" * 256}, {"user": "é" * 128}],
    ids=["short SO", "short user", "long SO", "long user", "long in UTF-8"],
)
def test_pins_that_the_token_cannot_hold_are_refused_before_anything_changes(
    delivered: TokenPlace, pins: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="PINs of 4 to 255 bytes"):
        take(delivered, **pins)

    take(delivered)


def test_two_tokens_are_taken_over_in_one_process(tmp_path: Path) -> None:
    """SoftHSM reads its configuration at each start; the second must not be the first again."""
    places = [deliver(tmp_path / name, f"vault-{name}") for name in ("online", "escrow")]
    for place in places:
        take(place, user=f"pin-of-{place.label}")

    assert len({token_serial(place) for place in places}) == 2
    for place in places:
        with started(place) as (_, token):
            token.open(user_pin=f"pin-of-{place.label}").close()


def test_a_serial_number_is_the_tokens_own(soft_token: SoftToken) -> None:
    with started(soft_token.place) as (_, token):
        assert token.serial.decode("ascii") == token_serial_of_label(soft_token)


def token_serial_of_label(token: SoftToken) -> str:
    """As SoftHSM names the folder: the serial number is the end of its name."""
    return token.folder.name.replace("-", "")[-16:]


def test_an_open_online_token_keeps_administration_out_of_its_process(
    soft_token: SoftToken, online: OnlineToken
) -> None:
    """Stopping the module would end the login under the running service."""
    with pytest.raises(TokenUnavailableError, match="C_Initialize"):
        token_serial(soft_token.place)

    online.ping()
