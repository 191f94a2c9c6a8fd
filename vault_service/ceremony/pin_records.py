"""Write down, in the ceremony folder and in the database, which PIN the escrow token has.

The folder first: it is what the next ceremony believes. Each event is in the transaction of what it
records.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from vault_service.ceremony.bundle import ShareSet, forget, keep, read_bundle
from vault_service.ceremony.pin_state import Pin, PinView
from vault_service.ceremony.shares import ESCROW_PIN
from vault_service.domain.errors import ConcurrentChangeError
from vault_service.domain.events import KeysEvent
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.token.softhsm_files import bring_to_disk
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.shares import (
    PinRow,
    PinState,
    delete_other_shares,
    insert_pin_generation,
    list_pin_generations,
    list_shares,
    replace_shares,
    set_pin_state,
)
from vault_service.storage.pool import Conn, Database

_EVENTS: dict[PinState, KeysEvent] = {
    "prepared": KeysEvent.PIN_PREPARED,
    "switching": KeysEvent.PIN_SWITCHING,
    "active": KeysEvent.PIN_ACTIVE,
    "void": KeysEvent.PIN_VOID,
}


@dataclass(frozen=True, slots=True)
class PinParts:
    """What the PIN's life needs. The ceremony's file lock is held around all of it."""

    db: Database  # role vault_ceremony
    place: TokenPlace  # the escrow token
    folder: Path  # the ceremony host's share sets
    token_serial: str  # of the escrow token, as the verified manifest names it
    now: Callable[[], datetime]


def shares_digest(shares: Mapping[UUID, bytes]) -> bytes:
    """SHA-256 of a sealed share set: the officers in order, each with the sealed share's hash."""
    each = (officer.bytes + hashlib.sha256(shares[officer]).digest() for officer in sorted(shares))
    return hashlib.sha256(b"".join(each)).digest()


def move(conn: Conn, generation: int, was: PinState, state: PinState, now: datetime) -> None:
    """One transition, with its event. Raises ConcurrentChangeError when somebody else moved it."""
    if not set_pin_state(conn, generation, state, was=was):
        raise ConcurrentChangeError(f"PIN generation {generation} is not {was} any more")
    if state in _EVENTS:
        insert_event(conn, _EVENTS[state], now)


def put_back(parts: PinParts, view: PinView) -> None:
    """Let officers find the shares of each PIN that may be tried, in a database of an earlier day as well."""
    with parts.db.transaction() as conn:
        for pin in view.candidates:
            if pin.kept is None:
                continue
            if view.state == "known":
                _make_active(conn, parts, pin)
            elif all(row.pin_gen != pin.generation for row in list_pin_generations(conn)):
                insert_pin_generation(
                    conn, pin.generation, parts.token_serial, "switching", pin.pin_check, parts.now()
                )
                insert_event(conn, KeysEvent.PIN_SWITCHING, parts.now())
            _put_back_shares(conn, pin.kept, parts.now())


def settle(parts: PinParts, pin: Pin, *, forget_older: bool) -> None:
    """This PIN has opened the token: it is the active one, and what is newer is void.

    `forget_older`: the shares of older ones too; a ceremony leaves those of the PIN that it replaced
    to the next one.
    """
    bring_to_disk(parts.place.softhsm2_conf)
    bundle = read_bundle(parts.folder)
    sets = bundle.sets
    _keep_active(parts, pin, sets.get(pin.generation))
    for newer in sets.values():
        if newer.generation > pin.generation and newer.state != "void":
            keep(parts.folder, replace(newer, state="void", shares={}))
    with parts.db.transaction() as conn:
        _make_active(conn, parts, pin)
        if forget_older:
            delete_other_shares(conn, ESCROW_PIN, pin.generation)
    if forget_older:
        for older in {*sets, *bundle.refused}:
            if older < pin.generation:
                forget(parts.folder, older)


def _keep_active(parts: PinParts, pin: Pin, kept: ShareSet | None) -> None:
    if kept is None:  # a folder that was lost, or put back to an earlier day
        with parts.db.connection() as conn:
            shares = list_shares(conn, ESCROW_PIN, pin.generation)
        kept = ShareSet(2, pin.generation, parts.token_serial, pin.pin_check, "prepared", shares)
    if kept.state != "active":
        keep(parts.folder, replace(kept, state="active"))


def _make_active(conn: Conn, parts: PinParts, pin: Pin) -> None:
    """The others first: a unique index allows one active."""
    rows = {row.pin_gen: row for row in list_pin_generations(conn)}
    mine = rows.pop(pin.generation, None)
    for row in rows.values():
        _end(conn, row, pin.generation, parts.now())
    if mine is None:
        insert_pin_generation(conn, pin.generation, parts.token_serial, "active", pin.pin_check, parts.now())
        insert_event(conn, KeysEvent.PIN_ACTIVE, parts.now())
    elif mine.state != "active":
        move(conn, pin.generation, mine.state, "active", parts.now())


def _end(conn: Conn, row: PinRow, active: int, now: datetime) -> None:
    if row.state == "active" and row.pin_gen < active:
        move(conn, row.pin_gen, row.state, "retired", now)
    elif row.state not in ("retired", "void"):
        move(conn, row.pin_gen, row.state, "void", now)


def _put_back_shares(conn: Conn, kept: ShareSet, now: datetime) -> None:
    if kept.shares and list_shares(conn, ESCROW_PIN, kept.generation) != kept.shares:
        replace_shares(conn, ESCROW_PIN, kept.generation, kept.shares, now)
        insert_event(conn, KeysEvent.SHARES_STORED, now, digest=shares_digest(kept.shares))
