"""Open the escrow token with the PIN that officers' shares give, and record which generation it was.

Bad shares cost no try: what they give is compared with the generation's check value first. A PIN is
tried once; a second one only where pin_state.py allows two, and never when the token is near locking.
"""

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

from vault_service.ceremony.bundle import keep_refused, read_bundle
from vault_service.ceremony.escrow_token import EscrowPinRefusedError, EscrowToken, open_escrow_token
from vault_service.ceremony.pin_records import PinParts, put_back, settle
from vault_service.ceremony.pin_state import Pin, PinView, judge
from vault_service.ceremony.shares import SharesRefusedError, check_secret, combine, pin_of
from vault_service.storage.keys.shares import list_pin_generations


@dataclass(frozen=True, slots=True)
class Opened:
    """The escrow token, open, and with which PIN."""

    token: EscrowToken
    generation: int
    pin: str = field(repr=False)


def generations(parts: PinParts) -> tuple[int, ...]:
    """Whose shares officers release: the PIN's generation, or two while a change is undecided.

    First puts back what an older database lacks, from the folder. Raises PinUnknownError.
    """
    view = look(parts)
    put_back(parts, view)
    return tuple(sorted(pin.generation for pin in view.candidates))


def look(parts: PinParts) -> PinView:
    """What database and folder say. Raises PinUnknownError, BundleError."""
    with parts.db.connection() as conn:
        rows = list_pin_generations(conn)
    return judge(rows, read_bundle(parts.folder), parts.token_serial)


def secret_of(parts: PinParts, generation: int, shares: Sequence[str]) -> bytes:
    """The secret that shares of a generation give, 16 bytes; the token is not asked.

    Raises SharesRefusedError on too few, too many, mixed, doubled or mistyped shares, and on a
    generation that is not to be tried.
    """
    secret = combine(shares)
    pin = next((pin for pin in look(parts).candidates if pin.generation == generation), None)
    if pin is None:
        raise SharesRefusedError(f"PIN generation {generation} is not the escrow token's")
    check_secret(secret, pin.pin_check, parts.token_serial, generation)
    return secret


@contextlib.contextmanager
def open_pin(parts: PinParts, secrets: Mapping[int, bytes]) -> Generator[Opened]:
    """The escrow token, opened with one of these secrets (generation -> 16 bytes), and closed at the end.

    What opened it is recorded before this yields: a change that died is finished or voided thereby.
    Raises SharesRefusedError, PinUnknownError, PinAlmostLockedError, WrongTokenError without a try;
    EscrowPinRefusedError after the one or two that are allowed.
    """
    view = look(parts)
    pins = [pin for pin in view.candidates if pin.generation in secrets]
    if not pins:
        wanted = " or ".join(str(pin.generation) for pin in view.candidates)
        raise SharesRefusedError(f"shares of PIN generation {wanted} are needed")
    for pin in pins:
        check_secret(secrets[pin.generation], pin.pin_check, parts.token_serial, pin.generation)
    with contextlib.ExitStack() as until_the_end:
        pin, opened = _first_that_opens(parts, view, pins, secrets, until_the_end)
        settle(parts, pin, forget_older=True)
        yield opened


def _first_that_opens(
    parts: PinParts,
    view: PinView,
    pins: Sequence[Pin],
    secrets: Mapping[int, bytes],
    until_the_end: contextlib.ExitStack,
) -> tuple[Pin, Opened]:
    refused: list[int] = []
    for pin in pins:
        if refused and not (pin.is_kept or view.folder_is_empty):
            break  # only the database vouches for it, which was wrong once already
        try:
            opened = until_the_end.enter_context(try_pin(parts, pin.generation, secrets[pin.generation]))
        except EscrowPinRefusedError:
            refused.append(pin.generation)
        else:
            return pin, opened
    raise EscrowPinRefusedError(f"the escrow token refused PIN generation {' and '.join(map(str, refused))}")


@contextlib.contextmanager
def try_pin(parts: PinParts, generation: int, secret: bytes) -> Generator[Opened]:
    """Log in with one PIN, in a module begun anew. A refusal is remembered on disk, then raised."""
    pin = pin_of(secret)
    with contextlib.ExitStack() as until_the_end:
        try:
            token = until_the_end.enter_context(
                open_escrow_token(parts.place, pin, serial=parts.token_serial)
            )
        except EscrowPinRefusedError:
            keep_refused(parts.folder, generation)
            raise
        yield Opened(token, generation, pin)
