"""Genesis: make the keys, name the officers, sign the first manifest, split the secrets at once.

Afterwards no file and no process holds the escrow token's PIN or the break-glass secret: the one exists
only as shares, each sealed to one officer, the other only as words on paper. Order:

1 everything is checked, and the tokens are asked whether they take such PINs; nothing is changed;
2 the break-glass words go to paper: people take minutes, and may give up;
3 both tokens are taken over, the keys are made, the manifest is signed;
4 whatever would be lost by a crash is on disk before
5 the one transaction that makes this vault real.

A genesis that did not get that far is begun again with empty tokens, and its sheets are destroyed.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from msgspec.structs import replace

from vault_service.ceremony.break_glass_words import public_key_of, so_pin_of
from vault_service.ceremony.bundle import ShareSet, keep
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.genesis_plan import FIRST, GenesisPlan, NewToken, check_plan, read_transport_pin
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.shares import (
    ESCROW_PIN,
    SECRET_BYTES,
    pin_check_of,
    pin_of,
    sealed_set,
    split,
)
from vault_service.ceremony.sheets import SheetSet
from vault_service.crypto.manifest_chain import SignedManifest, verify_chain
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import (
    BreakGlass,
    Keys,
    Manifest,
    Officer,
    PublicKeyGeneration,
    Quorum,
    SecretKeyGeneration,
    Tokens,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)
from vault_service.durable import sync
from vault_service.kms.token.admin import TokenFacts, read_facts, take_over
from vault_service.kms.token.online import OnlineToken
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import follow_manifest
from vault_service.storage.keys.manifests import insert_manifest, load_chain
from vault_service.storage.keys.shares import insert_pin_generation, insert_share
from vault_service.storage.pool import Database

_ONLINE_PIN_BYTES = 20


class GenesisRefusedError(ConfigurationError):
    """This vault has a manifest already."""

    code = "genesis.refused"
    remedy = (
        "Nothing is to be done but to pin the fingerprint, where that was missed: compare it with an "
        "officer's key file first. A change of keys or officers is a case of its own."
    )


@dataclass(frozen=True, slots=True)
class Genesis:
    """What is to be kept: the fingerprint openly, in every process's settings; the PIN on paper."""

    fingerprint: str
    online_so_pin: str = field(repr=False)
    officers: tuple[Officer, ...] = ()


def run_genesis(plan: GenesisPlan, db: Database) -> Genesis:
    """Make a vault real. Raises GenesisRefusedError when it is, ConfigurationError and UnavailableError."""
    online, escrow = check_genesis(plan, db)
    glass_secret = _hand_out_break_glass(plan, escrow.serial)
    people = {
        each.name: OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), each.name)
        for each in plan.officers
        if each.public is None
    }
    named = tuple(
        replace(each.public or people[each.name].public(()), roles=each.roles, user_ids=each.user_ids)
        for each in plan.officers
    )
    pin_secret = secrets.token_bytes(SECRET_BYTES)
    escrow_point = _make_escrow_token(plan.escrow, pin_secret, so_pin_of(glass_secret, escrow.serial))
    online_so_pin = _take_over_online(plan)
    token = OnlineToken(plan.online.place, plan.online_pin_file.read_text("ascii").strip())
    token.open()
    try:
        manifest = Manifest(
            v=1,
            serial=1,
            previous="",
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            keys=_make_online_keys(token, escrow_point),
            officers=named,
            quorum=Quorum(plan.threshold, plan.disclosure),
            floors=plan.floors,
            break_glass=BreakGlass(public_key_of(glass_secret, escrow.serial), plan.sheets_threshold),
            tokens=Tokens(online.serial, escrow.serial),
        )
        body = manifest.encode()
        link = SignedManifest(body, token.sign("manifest/1", manifest_signing_input(body)))
    finally:
        token.close()
    verify_chain([link], pinned=manifest_hash(body))
    fingerprint = manifest_hash(body).hex()
    for each in plan.officers:
        if each.passphrase is not None:
            plan.officers_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            people[each.name].save(plan.key_file(each.name), each.passphrase, fingerprint=fingerprint)
    check = pin_check_of(pin_secret, escrow.serial, FIRST)
    shares = sealed_set(pin_secret, manifest, FIRST)
    keep(plan.ceremony_dir, ShareSet(2, FIRST, escrow.serial, check, "active", shares))
    _commit(db, link, shares, escrow.serial, check)
    return Genesis(fingerprint, online_so_pin, named)


def check_genesis(plan: GenesisPlan, db: Database) -> tuple[TokenFacts, TokenFacts]:
    """Whether it could be run now; changes nothing. Returns what the online and the escrow token say.

    Raises GenesisRefusedError, ConfigurationError and UnavailableError.
    """
    with db.connection() as conn:
        if chain := load_chain(conn):
            genesis = manifest_hash(chain[0].body).hex()
            raise GenesisRefusedError(f"the keys database holds a manifest, of fingerprint {genesis}")
    check_plan(plan)
    return check_token(plan.online, _ONLINE_PIN_BYTES), check_token(plan.escrow, SECRET_BYTES)


def check_token(new: NewToken, pin_bytes: int) -> TokenFacts:
    """Whether a token is as it was delivered, and takes PINs of so many random bytes in base32.

    Raises ConfigurationError and TokenUnavailableError.
    """
    facts = read_facts(new.place)
    facts.check_pin_length(len(pin_of(bytes(pin_bytes))))
    if facts.has_user_pin:
        raise ConfigurationError(
            f"token {new.place.label} has a user PIN: somebody took it over before",
            remedy="Begin with a token as it was delivered (scripts/softhsm_setup.sh).",
        )
    return facts


def _hand_out_break_glass(plan: GenesisPlan, token_serial: str) -> bytes:
    """A new secret, of which people hold the words when this returns; here it is never written."""
    secret = secrets.token_bytes(SECRET_BYTES)
    words = split(secret, threshold=plan.sheets_threshold, people=plan.sheets)
    made_on = datetime.now(UTC).date().isoformat()
    plan.hand_out(words, SheetSet(token_serial, plan.sheets_threshold, made_on))
    return secret


def _make_escrow_token(new: NewToken, pin_secret: bytes, so_pin: str) -> bytes:
    """Take the token over with PINs that only shares or sheets can give; returns the escrow public key."""
    pin = pin_of(pin_secret)
    _take_over(new, so_pin=so_pin, user_pin=pin)
    with open_escrow_token(new.place, pin) as token:
        return token.generate_escrow_key("escrow/1")


def _take_over_online(plan: GenesisPlan) -> str:
    pin, so_pin = (pin_of(secrets.token_bytes(_ONLINE_PIN_BYTES)) for _ in range(2))
    plan.online_pin_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(plan.online_pin_file, pin.encode("ascii"))
    _take_over(plan.online, so_pin=so_pin, user_pin=pin)
    return so_pin


def _take_over(new: NewToken, *, so_pin: str, user_pin: str) -> None:
    transport = read_transport_pin(new)
    take_over(new.place, transport_so_pin=transport, so_pin=so_pin, user_pin=user_pin)
    new.transport_so_pin.unlink()


def _make_online_keys(token: OnlineToken, escrow_point: bytes) -> Keys:
    def secret(kind: str) -> tuple[SecretKeyGeneration, ...]:
        token.create_hmac_key(f"{kind}/1")
        return (SecretKeyGeneration(FIRST, "current", token.key_check_value(f"{kind}/1").hex()),)

    def signing(kind: str) -> tuple[PublicKeyGeneration, ...]:
        return (PublicKeyGeneration(FIRST, "current", token.create_signing_key(f"{kind}/1").hex()),)

    return Keys(
        escrow=(PublicKeyGeneration(FIRST, "current", escrow_point.hex()),),
        pepper=secret("pepper"),
        login_index=secret("login"),
        case=secret("case"),
        note=signing("note"),
        audit_signing=signing("audit"),
        manifest=signing("manifest"),
    )


def _write_new(path: Path, content: bytes) -> None:
    """A new file, 0600 from its first moment, on disk before this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def _commit(
    db: Database, link: SignedManifest, shares: Mapping[UUID, bytes], serial: str, check: bytes
) -> None:
    with db.transaction() as conn:
        now = datetime.now(UTC)
        if not insert_manifest(conn, FIRST, link, now):
            raise GenesisRefusedError("another genesis was through first")
        follow_manifest(conn, parse_manifest(link.body).keys)
        insert_pin_generation(conn, FIRST, serial, "active", check, now)
        for officer, sealed in shares.items():
            insert_share(conn, ESCROW_PIN, FIRST, OfficerId(officer), sealed, now)
        insert_event(conn, KeysEvent.MANIFEST_SIGNED, now, digest=manifest_hash(link.body))
        insert_event(conn, KeysEvent.SHARES_STORED, now)
