"""Which PIN the escrow token has, as far as its database and the ceremony folder can tell.

A change from generation n to n+1 leaves these states, whenever it dies:

    step                                       folder     database   token     next ceremony
    2 share set of n+1 into the folder         prepared   -          n         uses n, voids n+1
      transaction                              prepared   prepared   n         uses n, voids n+1
    3 folder, then transaction                 switching  prepared   n         tries n+1, then n
                                               switching  switching  n         tries n+1, then n
    4 C_SetPIN                                 switching  switching  n | n+1   tries n+1, then n
      torn                                     switching  switching  none      token.object from its copy: n
    5 login with n+1
    6 folder, then transaction                 active     switching  n+1       uses n+1
                                               active     active     n+1       uses n+1

What opened the token is made the one active generation at once; what is newer is voided, and the
shares of what is older are deleted. Only where two PINs are possible may one be wrong.

Both are read, since either may have been put back to an earlier day. The folder is on the ceremony's
own host and is written first, so it wins where it says more than `prepared`. A database that knows a
later generation is ahead of a folder that was put back, or was altered by its superuser: its PIN is
tried first, then the folder's. A PIN that the token refused is not tried a second time, and after a
refusal no other is tried that the database alone vouches for: whoever writes to it costs one try.

    folder \\ database   -          prepared   switching  active     retired   void
    -                   -          prepared   switching  active     retired   void
    prepared            prepared   prepared   switching  switching  retired   void
    switching           switching  ...
    active              active     ...
    void                void       ...
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from vault_service.ceremony.bundle import Bundle, ShareSet
from vault_service.domain.recovery_errors import PinUnknownError
from vault_service.storage.keys.shares import PinRow, PinState

_MOST_TRIES = 2
_LAST_GENERATION = (1 << 31) - 1  # PostgreSQL's integer


@dataclass(frozen=True, slots=True)
class Pin:
    """One generation of the PIN."""

    generation: int
    state: PinState
    pin_check: bytes
    kept: ShareSet | None  # the folder's set: it vouches for the check value

    @property
    def is_kept(self) -> bool:
        """Does the ceremony's own host know it?"""
        return self.kept is not None


@dataclass(frozen=True, slots=True)
class PinView:
    """What is known of all generations of one token's PIN."""

    pins: tuple[Pin, ...]  # oldest first
    candidates: tuple[Pin, ...]  # which may be the token's; to be tried in this order
    refused: frozenset[int]
    folder_is_empty: bool

    @property
    def state(self) -> Literal["known", "switching"]:
        """Whether one PIN is possible or two."""
        return "known" if len(self.candidates) == 1 else "switching"

    def next_generation(self) -> int:
        """A number that no generation has had, however the database was altered."""
        used = {pin.generation for pin in self.pins}
        newest = max((pin.generation for pin in self.candidates), default=0)
        return next(n for n in range(newest + 1, _LAST_GENERATION) if n not in used)


def judge(rows: Iterable[PinRow], bundle: Bundle, token_serial: str) -> PinView:
    """Join what database and folder say of this token. Raises PinUnknownError when no PIN may be tried."""
    stored = {row.pin_gen: row for row in rows if row.token_serial == token_serial}
    kept = {gen: each for gen, each in bundle.sets.items() if each.token_serial == token_serial}
    pins = tuple(_join(gen, stored.get(gen), kept.get(gen)) for gen in sorted({*stored, *kept}))
    candidates = _candidates([pin for pin in pins if pin.generation not in bundle.refused])
    view = PinView(pins, candidates, bundle.refused, not kept)
    if not candidates:
        raise PinUnknownError(_why_unknown(view))
    return view


def _join(generation: int, row: PinRow | None, kept: ShareSet | None) -> Pin:
    if kept is not None:
        return Pin(generation, _joined(row.state if row else None, kept), kept.pin_check, kept)
    if row is None:
        raise AssertionError("neither database nor folder knows it")
    return Pin(generation, row.state, row.pin_check, None)


def _joined(stored: PinState | None, kept: ShareSet) -> PinState:
    if kept.state != "prepared" or stored is None:
        return kept.state
    # Put back to a moment of the change, or a database that was altered: both PINs are possible.
    return "switching" if stored == "active" else stored


def _candidates(pins: list[Pin]) -> tuple[Pin, ...]:
    """What may be switching, above the newest that is active; then what is active, the newest first.

    An active one that the folder vouches for ends the list: whatever is older opens nothing any more.
    """
    newest_first = sorted(pins, key=lambda pin: -pin.generation)
    active = [pin for pin in newest_first if pin.state == "active"]
    above = active[0].generation if active else 0
    # More than one can only be the database's invention; then the folder's own counts.
    switching = [pin for pin in newest_first if pin.state == "switching" and pin.generation > above]
    switching.sort(key=lambda pin: not pin.is_kept)
    found = switching[:1]
    for pin in active:
        found.append(pin)
        if pin.is_kept:
            break
    return tuple(found[:_MOST_TRIES])


def _why_unknown(view: PinView) -> str:
    if view.refused:
        numbers = ", ".join(map(str, sorted(view.refused)))
        return f"the escrow token has refused PIN generation {numbers}, and no other is known"
    if view.pins:
        return "no generation of the escrow PIN is active, in the database or in the ceremony folder"
    return "neither the database nor the ceremony folder holds shares of this escrow token's PIN"
