"""The escrow token's security officer: sets its user's PIN anew without the old one.

A real token erases itself, or locks for good, after a few wrong PINs of its security officer: one is
tried only when it is known to be right, a second only where a break-glass died between two steps, and none
when the token says that the next wrong one is the last.
"""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from pkcs11 import PinIncorrect, PinLocked, PKCS11Error, Session

from vault_service.domain.errors import ConfigurationError, TokenUnavailableError, WrongTokenError
from vault_service.domain.recovery_errors import PinAlmostLockedError
from vault_service.kms.token.admin import started
from vault_service.kms.token.pkcs11_module import SoPinFlags, TokenPlace

_NO_TRY = SoPinFlags.FINAL_TRY | SoPinFlags.LOCKED
_MOST_TRIES = 2


class SoPinRefusedError(ConfigurationError):
    """The escrow token does not take this security officer PIN."""

    code = "break_glass.so_pin_refused"
    remedy = "Stop: a token erases itself after a few. See docs/runbooks/pin-blocked.md."


@dataclass(frozen=True, slots=True)
class SecurityOfficer:
    """A session, logged in."""

    pin: str = field(repr=False)  # the one that the token took
    _session: Session = field(repr=False)

    def set_user_pin(self, pin: str) -> None:
        """C_InitPIN: also unblocks a user PIN that is locked; the keys stay."""
        self._session.init_pin(pin)

    def set_own_pin(self, pin: str) -> None:
        """C_SetPIN."""
        self._session.set_pin(self.pin, pin)


@contextlib.contextmanager
def security_officer(place: TokenPlace, pins: Sequence[str], *, serial: str) -> Generator[SecurityOfficer]:
    """Log in with the first of these PINs that the token of this serial takes.

    Raises WrongTokenError and PinAlmostLockedError without a try, SoPinRefusedError, TokenUnavailableError.
    """
    try:
        with started(place) as (loaded, token), contextlib.ExitStack() as until_the_end:
            found = token.serial.decode("ascii", "replace")
            if found != serial:
                raise WrongTokenError(f"the escrow token (serial {found}, not {serial})")
            for pin in pins[:_MOST_TRIES]:
                if flags := loaded.so_pin_flags(token) & _NO_TRY:
                    raise PinAlmostLockedError(f"the escrow token's security officer PIN: {flags.name}")
                try:
                    session = until_the_end.enter_context(token.open(rw=True, so_pin=pin))
                except PinIncorrect:
                    continue
                yield SecurityOfficer(pin, session)
                return
    except PinLocked:
        raise PinAlmostLockedError("the escrow token's security officer PIN is locked") from None
    except PKCS11Error as error:
        raise TokenUnavailableError(f"the escrow token ({type(error).__name__})") from None
    raise SoPinRefusedError("the escrow token does not take the security officer PIN that it was given")
