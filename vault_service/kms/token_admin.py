"""Take a token over as its vendor delivered it: replace the transport SO PIN, set the user PIN."""

import contextlib
from collections.abc import Generator

from pkcs11 import PinIncorrect, PinLocked, PKCS11Error, Token

from vault_service.domain.errors import ConfigurationError, TokenUnavailableError
from vault_service.kms.pkcs11_module import Module, TokenPlace, module
from vault_service.kms.token_lock import WAIT_S, token_lock


@contextlib.contextmanager
def started(place: TokenPlace, *, wait_s: float = WAIT_S) -> Generator[tuple[Module, Token]]:
    """The module started for one token, under the lock, and stopped afterwards.

    For short-lived work in a process that keeps no other token open.
    """
    with token_lock(place, wait_s=wait_s):
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


def take_over(place: TokenPlace, *, transport_so_pin: str, so_pin: str, user_pin: str) -> None:
    """Set the user PIN and a new SO PIN, in this process: neither is an argument or a file.

    Raises ConfigurationError when a PIN does not fit the token or the transport PIN is wrong.
    """
    with started(place) as (loaded, token):
        shortest, longest = loaded.pin_limits(token)
        for pin in (so_pin, user_pin):
            if not shortest <= len(pin.encode()) <= longest:
                raise ConfigurationError(
                    f"token {place.label} takes PINs of {shortest} to {longest} bytes",
                    remedy="Use a token that takes PINs of 16 to 32 bytes.",
                )
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
