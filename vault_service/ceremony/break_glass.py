"""Break-glass: put others in the officers' place when fewer than the quorum are left, or the PIN is blocked.

    1 words of the present set typed; the key that they give is the one that the newest manifest names, and
      the token takes their security officer PIN
    2 words of a new set shown, written down and read back
    3 folder: the token's present security officer PIN, sealed under the new words; the share set of a new
      user PIN for the new officers. Database: prepared
    4 the key service signs the manifest that names the new officers and the new words' key, endorsed by the
      old words' key. From here on the new words count, and the old ones no more
    5 folder, then database: switching
    6 token, as its security officer: the new user PIN, then the new security officer PIN
    7 a login with the new user PIN; active, older shares deleted, and what step 3 kept removed

    died     words that count   token's user PIN   its SO PIN   what to do
    1-3      old                old                old          the same again; destroy the new sheets
    4        old | new          old                old          again with the set that the command asks for
    5        new                old                old          again with the new words
    6        new                old | new          old | new    again with the new words
    7        new                new                new          again with the new words, or let a ceremony
                                                                finish the PIN

Whenever it dies, it is done again from the start, with the words that the newest manifest names, and ends
with another new set: there is no state to be mended by hand. What step 3 keeps is why: with the new words
alone it gives the PIN that the token may still have. Sealed under the new words it is nothing to whoever
has not got them, and once step 6 is done it opens nothing. The sheets of the old set are kept until the
command has ended well.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC

from msgspec.structs import replace

from vault_service.ceremony.break_glass_words import public_key_of, signing_key_of, so_pin_of
from vault_service.ceremony.bundle import ShareSet, keep, read_bundle
from vault_service.ceremony.kept_so_pin import forget_so_pins, keep_so_pin, kept_so_pin
from vault_service.ceremony.lock import ceremony_lock
from vault_service.ceremony.parts import CeremonyParts
from vault_service.ceremony.pin_open import try_pin
from vault_service.ceremony.pin_records import PinParts, move, settle, shares_digest
from vault_service.ceremony.pin_state import Pin
from vault_service.ceremony.security_officer import security_officer
from vault_service.ceremony.shares import ESCROW_PIN, SECRET_BYTES, pin_check_of, pin_of, sealed_set, split
from vault_service.ceremony.sheets import SheetSet, Terminal, hand_out
from vault_service.crypto.manifest_chain import check_break_glass
from vault_service.crypto.officer_change import check_people
from vault_service.domain.errors import ConfigurationError, KmsUnavailableError, OutcomeUnknownError
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import (
    BreakGlass,
    Manifest,
    Officer,
    Quorum,
    manifest_hash,
    manifest_signing_input,
)
from vault_service.domain.recovery_errors import CeremonyBusyError
from vault_service.kms.protocol.messages import Health, HealthIs
from vault_service.kms.protocol.recovery_messages import ManifestSigned, SignManifest
from vault_service.kms.token.admin import token_serial
from vault_service.storage.keys.believed_chain import read_chain
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.shares import insert_pin_generation, list_pin_generations, replace_shares


class BreakGlassRefusedError(ConfigurationError):
    """These words are not the ones that the newest manifest names."""

    code = "break_glass.refused"
    remedy = "Use the sheets of the newest set; those of an older one open nothing any more."


class AnotherTokenError(ConfigurationError):
    """The escrow token that is connected is not the one that the newest manifest names."""

    code = "break_glass.another_token"
    remedy = (
        "Connect the one that the manifest names. If this one replaces it and holds its keys, add "
        "--so-pin-file with its present security officer PIN."
    )


@dataclass(frozen=True, slots=True)
class Successors:
    """Who is to take over, and the new set of sheets."""

    officers: tuple[Officer, ...]
    quorum: Quorum
    sheets: int
    threshold: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """What it ended with."""

    manifest: Manifest
    pin_generation: int


@dataclass(frozen=True, slots=True)
class _Opened:
    """Step 1 is through."""

    newest: Manifest
    secret: bytes = field(repr=False)
    so_pin: str = field(repr=False)
    serial: str


def demand_ready(parts: CeremonyParts) -> None:
    """Before anybody types a word or writes one down: what the later steps need is there.

    Raises CeremonyBusyError, TokenUnavailableError, KmsUnavailableError, ConfigurationError.
    """
    try:
        with ceremony_lock(parts.state_dir):
            token_serial(parts.place)
    except CeremonyBusyError:
        raise CeremonyBusyError(
            "the escrow token (a ceremony is at work; stop its service: systemctl stop vault-ceremony)"
        ) from None
    parts.kms.call(Health(), HealthIs)


def break_glass(
    parts: CeremonyParts,
    secret: bytes,
    successors: Successors,
    terminal: Terminal,
    *,
    transport_so_pin: str | None = None,
) -> Replaced:
    """Do it all. `secret`: what the typed words give. `transport_so_pin`: of a token that was put in the
    lost one's place, with its keys from a backup.

    Raises BreakGlassRefusedError, AnotherTokenError and SoPinRefusedError, after which nothing has changed;
    ManifestError, SheetsAbandonedError likewise; TokenUnavailableError and UnavailableError: do it again.
    """
    with ceremony_lock(parts.state_dir):
        opened = _open(parts, secret, transport_so_pin)
        fresh = secrets.token_bytes(SECRET_BYTES)
        manifest = _manifest(parts, opened, successors, fresh)
        words = split(fresh, threshold=successors.threshold, people=successors.sheets)
        made_on = parts.now().astimezone(UTC).date().isoformat()
        hand_out(words, SheetSet(opened.serial, successors.threshold, made_on), terminal)
        keep_so_pin(parts.state_dir, manifest, fresh, opened.so_pin)
        pins = PinParts(parts.db, parts.place, parts.state_dir, opened.serial, parts.now)
        pin_secret, shares = _prepare(pins, manifest)
        _sign(parts, opened, manifest)
        _switch(pins, shares)
        _set_pins(parts, opened, pin_of(pin_secret), so_pin_of(fresh, opened.serial))
        _confirm(pins, shares, pin_secret)
        forget_so_pins(parts.state_dir)
        return Replaced(manifest, shares.generation)


def _open(parts: CeremonyParts, secret: bytes, transport_so_pin: str | None) -> _Opened:
    """Step 1: the words are judged by the key that they give, before the token sees a PIN."""
    newest = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir).newest
    named = newest.tokens.escrow
    if public_key_of(secret, named) != newest.break_glass.public_key:
        with parts.db.transaction() as conn:
            insert_event(conn, KeysEvent.CEREMONY_REFUSED, parts.now(), digest=manifest_hash(newest.encode()))
        raise BreakGlassRefusedError(
            f"the words are not those of manifest {newest.serial}, which was made at {newest.created_at}"
        )
    serial = token_serial(parts.place)
    if serial != named:  # another token, with the keys of the lost one
        if transport_so_pin is None:
            raise AnotherTokenError(f"the escrow token that is connected is {serial}, not {named}")
        pins = [transport_so_pin]
    else:
        pins = [so_pin_of(secret, named)]
        kept = kept_so_pin(parts.state_dir, newest, secret)
        pins += [] if kept is None else [kept]
    with security_officer(parts.place, pins, serial=serial) as officer:
        return _Opened(newest, secret, officer.pin, serial)


def _manifest(parts: CeremonyParts, opened: _Opened, successors: Successors, fresh: bytes) -> Manifest:
    newest = opened.newest
    candidate = replace(
        newest,
        serial=newest.serial + 1,
        previous=manifest_hash(newest.encode()).hex(),
        created_at=parts.now().astimezone(UTC).isoformat(timespec="seconds"),
        officers=successors.officers,
        quorum=successors.quorum,
        break_glass=BreakGlass(public_key_of(fresh, opened.serial), successors.threshold),
        tokens=replace(newest.tokens, escrow=opened.serial),
    )
    check_people(candidate)
    check_break_glass(newest, candidate)
    return candidate


def _prepare(pins: PinParts, manifest: Manifest) -> tuple[bytes, ShareSet]:
    """Step 3."""
    secret = secrets.token_bytes(SECRET_BYTES)
    generation = _next_generation(pins)
    check = pin_check_of(secret, pins.token_serial, generation)
    sealed = sealed_set(secret, manifest, generation)
    shares = ShareSet(2, generation, pins.token_serial, check, "prepared", sealed)
    keep(pins.folder, shares)
    with pins.db.transaction() as conn:
        now = pins.now()
        insert_pin_generation(conn, generation, pins.token_serial, "prepared", check, now)
        replace_shares(conn, ESCROW_PIN, generation, sealed, now)
        insert_event(conn, KeysEvent.PIN_PREPARED, now, digest=shares_digest(sealed))
        insert_event(conn, KeysEvent.SHARES_STORED, now, digest=shares_digest(sealed))
    return secret, shares


def _next_generation(pins: PinParts) -> int:
    """Above all that the folder knows, and not the database's: nothing may be known of the PIN any more."""
    bundle = read_bundle(pins.folder)
    with pins.db.connection() as conn:
        used = {row.pin_gen for row in list_pin_generations(conn)}
    number = max({*bundle.sets, *bundle.refused}, default=0) + 1
    while number in used:
        number += 1
    return number


def _sign(parts: CeremonyParts, opened: _Opened, manifest: Manifest) -> None:
    """Step 4."""
    body = manifest.encode()
    key = signing_key_of(opened.secret, opened.newest.tokens.escrow)
    request = SignManifest(body, key.sign(manifest_signing_input(body)))
    try:
        parts.kms.call(request, ManifestSigned)
    except (KmsUnavailableError, OutcomeUnknownError):  # it may have been done: the chain tells
        chain = read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)
        if chain.newest != manifest:
            raise
    else:
        read_chain(parts.db, fingerprint=parts.fingerprint, state_dir=parts.state_dir)  # remembers the serial


def _switch(pins: PinParts, shares: ShareSet) -> None:
    """Step 5."""
    keep(pins.folder, replace(shares, state="switching"))
    with pins.db.transaction() as conn:
        move(conn, shares.generation, "prepared", "switching", pins.now())


def _set_pins(parts: CeremonyParts, opened: _Opened, user_pin: str, so_pin: str) -> None:
    """Step 6."""
    with security_officer(parts.place, [opened.so_pin], serial=opened.serial) as officer:
        officer.set_user_pin(user_pin)
        officer.set_own_pin(so_pin)


def _confirm(pins: PinParts, shares: ShareSet, secret: bytes) -> None:
    """Step 7."""
    with try_pin(pins, shares.generation, secret):
        pass
    pin = Pin(shares.generation, "switching", shares.pin_check, replace(shares, state="switching"))
    settle(pins, pin, forget_older=True)


def successors_of(newest: Manifest, kept: Sequence[str], added: Sequence[Officer]) -> tuple[Officer, ...]:
    """Those who stay, by name or id, and those with a new key. Raises ConfigurationError.

    Somebody of before who comes with a new key keeps the name and the own accounts: a lost key file must not
    let anybody decide about an account of their own.
    """
    known = {name: each for each in newest.officers for name in (each.name, str(each.officer_id))}
    if unknown := [name for name in kept if name not in known]:
        raise ConfigurationError(
            f"no officer is called {', '.join(unknown)}", remedy="See vaultctl officer list."
        )
    return (*(known[name] for name in kept), *(_as_before(newest, each) for each in added))


def _as_before(newest: Manifest, officer: Officer) -> Officer:
    for was in newest.officers:
        if was.officer_id == officer.officer_id:
            return replace(officer, name=was.name, user_ids=was.user_ids)
    return officer
