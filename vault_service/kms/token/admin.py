"""Take a token over as its vendor delivered it: replace the transport SO PIN, set the user PIN."""

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from pkcs11 import PinIncorrect, PinLocked, PKCS11Error, Token, TokenFlag

from vault_service.domain.errors import ConfigurationError, TokenUnavailableError
from vault_service.kms.token.lock import WAIT_S, token_lock
from vault_service.kms.token.pkcs11_module import Module, TokenPlace, module


@contextlib.contextmanager
def started(place: TokenPlace, *, wait_s: float = WAIT_S) -> Generator[tuple[Module, Token]]:
    """The module started for one token, under the lock, and stopped afterwards.

    For short-lived work in a process that keeps no other token open.
    """
    with token_lock(place, wait_s=wait_s), running(place) as found:
        yield found


@contextlib.contextmanager
def running(place: TokenPlace) -> Generator[tuple[Module, Token]]:
    """The same in a process whose parent holds the lock for it."""
    loaded = module(place.module)
    loaded.start(place.softhsm2_conf)
    try:
        yield loaded, loaded.find_token(place.label)
    finally:
        loaded.stop()


def token_serial(place: TokenPlace) -> str:
    """The token's serial number. Raises TokenUnavailableError."""
    with started(place) as (_, token):
        return token.serial.decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token tells anybody."""

    label: str
    serial: str
    shortest_pin: int  # bytes
    longest_pin: int
    has_user_pin: bool

    def check_pin_length(self, length: int) -> None:
        """Raises ConfigurationError for a PIN that the token cannot take."""
        if not self.shortest_pin <= length <= self.longest_pin:
            raise ConfigurationError(
                f"token {self.label} takes PINs of {self.shortest_pin} to {self.longest_pin} bytes, "
                f"and this one would have {length}",
                remedy="Use a token that takes PINs of 26 to 32 bytes.",
            )


def read_facts(place: TokenPlace) -> TokenFacts:
    """Ask the token, without logging in. Raises TokenUnavailableError."""
    with started(place) as (loaded, token):
        return _facts(place, loaded, token)


def _facts(place: TokenPlace, loaded: Module, token: Token) -> TokenFacts:
    shortest, longest = loaded.pin_limits(token)
    return TokenFacts(
        place.label, token.serial.decode("ascii", "replace"), shortest, longest,
        TokenFlag.USER_PIN_INITIALIZED in token.flags,
    )  # fmt: skip


def take_over(place: TokenPlace, *, transport_so_pin: str, so_pin: str, user_pin: str) -> None:
    """Set the user PIN and a new SO PIN, in this process: neither is an argument or a file.

    Raises ConfigurationError when a PIN does not fit the token or the transport PIN is wrong.
    """
    with started(place) as (loaded, token):
        facts = _facts(place, loaded, token)
        for pin in (so_pin, user_pin):
            facts.check_pin_length(len(pin.encode()))
        try:
            session = token.open(rw=True, so_pin=transport_so_pin)
            session.init_pin(user_pin)
            session.set_pin(transport_so_pin, so_pin)
            session.close()
        except (PinIncorrect, PinLocked):  # tried once: a real token erases itself after a few
            raise ConfigurationError(
                f"token {place.label} does not take the transport PIN",
                remedy="Begin again with an empty token (scripts/softhsm_setup.sh).",
            ) from None
        except PKCS11Error as error:
            raise TokenUnavailableError(f"the token {place.label} ({type(error).__name__})") from None
