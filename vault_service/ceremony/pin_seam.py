"""The escrow PIN as a ceremony uses it: which generations, what matches them, open."""

import base64
import contextlib
import hmac
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

from vault_service.ceremony.escrow_token import EscrowToken, open_escrow_token
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.shares import SharesRefusedError
from vault_service.crypto.seal import hkdf
from vault_service.domain.contexts import context, text, u64
from vault_service.domain.recovery_errors import PinUnknownError


@dataclass(frozen=True, slots=True)
class Opened:
    """The escrow token, open, and with which PIN."""

    token: EscrowToken
    generation: int
    pin: str = field(repr=False)


class Pins:
    """The PIN generations that the token may have."""

    def __init__(self, parts: CeremonyParts, token_serial: str) -> None:
        self._parts = parts
        self._serial = token_serial
        with parts.db.connection() as conn:
            rows = conn.execute(
                "SELECT pin_gen, pin_check FROM pin_generations WHERE state = 'active'"
            ).fetchall()
        self._checks: dict[int, bytes] = {gen: bytes(check) for gen, check in rows}
        if not self._checks:
            raise PinUnknownError("no generation of the escrow PIN is active")

    def generations(self) -> tuple[int, ...]:
        return tuple(sorted(self._checks))

    def match(self, generation: int, secret: bytes) -> None:
        check = hkdf(secret, context(b"pin-check", text(self._serial), u64(generation)))
        if not hmac.compare_digest(check, self._checks[generation]):
            raise SharesRefusedError("not the PIN's")

    @contextlib.contextmanager
    def open(self, secrets: Mapping[int, bytes]) -> Generator[Opened]:
        ((generation, secret),) = secrets.items()
        pin = base64.b32encode(secret).rstrip(b"=").decode("ascii")
        with open_escrow_token(self._parts.place, pin) as token:
            yield Opened(token, generation, pin)
