"""Replace the escrow PIN at the end of a ceremony, so that released shares open nothing afterwards.

    1 a new secret; its PIN must fit the token; SLIP-39 shares for the officers as they are now
    2 the sealed set into the ceremony folder, on disk; then: prepared
    3 switching, in the folder and the database
    4 C_SetPIN
    5 a login with the new PIN, in a module begun anew: one that was started before takes the old PIN on
    6 active; the old generation's shares stay until the next ceremony

What is left when it dies in between, and what the next ceremony does, stands in pin_state.py.
"""

import secrets
from dataclasses import dataclass, field

from msgspec.structs import replace

from vault_service.ceremony.bundle import ShareSet, keep
from vault_service.ceremony.pin_open import Opened, look, try_pin
from vault_service.ceremony.pin_records import PinParts, move, settle, shares_digest
from vault_service.ceremony.pin_state import Pin
from vault_service.ceremony.shares import ESCROW_PIN, SECRET_BYTES, pin_check_of, pin_of, sealed_set
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Manifest
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.shares import insert_pin_generation, replace_shares


@dataclass(frozen=True, slots=True)
class PinChange:
    """A change under way; the new secret is in this process's memory and nowhere else."""

    parts: PinParts
    shares: ShareSet
    secret: bytes = field(repr=False)

    @property
    def generation(self) -> int:
        """The new one."""
        return self.shares.generation

    def switch(self, opened: Opened) -> None:
        """Steps 3 and 4, while the token is open. Afterwards close it, then confirm.

        Raises TokenUnavailableError: the token has one of both PINs, and the next ceremony finds out.
        """
        keep(self.parts.folder, replace(self.shares, state="switching"))
        with self.parts.db.transaction() as conn:
            move(conn, self.generation, "prepared", "switching", self.parts.now())
        opened.token.change_pin(opened.pin, pin_of(self.secret))

    def confirm(self) -> None:
        """Steps 5 and 6, when the token is closed. Raises EscrowPinRefusedError, TokenUnavailableError."""
        with try_pin(self.parts, self.generation, self.secret):
            pass
        pin = Pin(self.generation, "switching", self.shares.pin_check, self.shares)
        settle(self.parts, pin, forget_older=False)


def prepare_change(parts: PinParts, opened: Opened, manifest: Manifest) -> PinChange:
    """Steps 1 and 2: a new PIN's shares for this manifest's officers. The token has the old PIN still.

    Raises SharesRefusedError when too few officers can hold one, or one alone could open the set;
    ConfigurationError when the token takes no such PIN; BundleError.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    opened.token.check_pin_fits(pin_of(secret))
    generation = look(parts).next_generation()
    check = pin_check_of(secret, parts.token_serial, generation)
    sealed = sealed_set(secret, manifest, generation)
    shares = ShareSet(2, generation, parts.token_serial, check, "prepared", sealed)
    keep(parts.folder, shares)
    with parts.db.transaction() as conn:
        now = parts.now()
        insert_pin_generation(conn, generation, parts.token_serial, "prepared", check, now)
        replace_shares(conn, ESCROW_PIN, generation, sealed, now)
        insert_event(conn, KeysEvent.PIN_PREPARED, now, digest=shares_digest(sealed))
        insert_event(conn, KeysEvent.SHARES_STORED, now, digest=shares_digest(sealed))
    return PinChange(parts, shares, secret)
