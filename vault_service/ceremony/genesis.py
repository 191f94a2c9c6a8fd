"""Genesis: make the keys, name the officers, sign the first manifest, split the secrets at once.

Afterwards no file and no process holds the escrow token's PIN or the break-glass secret: both
exist only as shares, each sealed to one officer. Order: whatever would be lost by a crash is on
disk before the one transaction that makes this vault real; a genesis that did not get that far is
begun again with empty tokens.
"""

import os
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from vault_service.ceremony.break_glass_words import public_key_of, so_pin_of
from vault_service.ceremony.bundle import ShareSet, keep, share_set_file
from vault_service.ceremony.escrow_token import open_escrow_token
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.ceremony.shares import (
    BREAK_GLASS,
    ESCROW_PIN,
    SECRET_BYTES,
    pin_check_of,
    pin_of,
    seal_share,
    sealed_set,
    split,
)
from vault_service.crypto.manifest_chain import SignedManifest, verify_chain
from vault_service.domain.errors import ConfigurationError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.manifest import (
    MIN_QUORUM,
    BreakGlass,
    Floors,
    Keys,
    Manifest,
    Officer,
    PublicKeyGeneration,
    Quorum,
    SecretKeyGeneration,
    Tokens,
    manifest_hash,
    manifest_signing_input,
)
from vault_service.durable import sync
from vault_service.kms.pkcs11_module import TokenPlace
from vault_service.kms.token import OnlineToken
from vault_service.kms.token_admin import take_over, token_serial
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.manifests import insert_manifest, load_chain
from vault_service.storage.keys.shares import insert_pin_generation, insert_share
from vault_service.storage.pool import Database

_FIRST = 1  # generation of everything


class GenesisRefusedError(ConfigurationError):
    """This vault has a manifest already."""

    code = "genesis.refused"
    remedy = "Nothing is to be done; a change of keys or officers is a case of its own."


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token as it was delivered: initialised, with a transport SO PIN in a file."""

    place: TokenPlace
    transport_so_pin: Path


@dataclass(frozen=True, slots=True)
class GenesisPlan:
    """What a genesis is to make, and where."""

    online: NewToken
    escrow: NewToken
    online_pin_file: Path
    ceremony_dir: Path  # each share set is written here too, so that an older database locks nobody out
    officers_dir: Path
    officers: tuple[str, ...]
    passphrase: str = field(repr=False)
    threshold: int = 2
    disclosure: int = 2
    floors: Floors = field(default_factory=Floors)  # those in code; a quorum may raise them later

    @property
    def bundle(self) -> Path:
        """The file of all sealed shares."""
        return share_set_file(self.ceremony_dir, _FIRST)

    def key_file(self, officer: str) -> Path:
        """Where an officer's key file goes."""
        return self.officers_dir / f"{officer}.key"


@dataclass(frozen=True, slots=True)
class Genesis:
    """What is to be kept: the fingerprint openly, in every process's settings; the PIN on paper."""

    fingerprint: str
    online_so_pin: str = field(repr=False)


def run_genesis(plan: GenesisPlan, db: Database) -> Genesis:
    """Make a vault real. Raises GenesisRefusedError when it is, ConfigurationError and UnavailableError."""
    with db.connection() as conn:
        if load_chain(conn):
            raise GenesisRefusedError("the keys database holds a manifest")
    _check(plan)
    people = tuple(OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), name) for name in plan.officers)
    named = tuple(key.public(("requester", "approver", "discloser", "auditor")) for key in people)
    pin_secret, glass_secret = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
    escrow_serial, online_serial = token_serial(plan.escrow.place), token_serial(plan.online.place)
    escrow_point = _make_escrow_token(plan.escrow, pin_secret, glass_secret, escrow_serial)
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
            break_glass=BreakGlass(public_key_of(glass_secret, escrow_serial), plan.threshold),
            tokens=Tokens(online_serial, escrow_serial),
        )
        body = manifest.encode()
        link = SignedManifest(body, token.sign("manifest/1", manifest_signing_input(body)))
    finally:
        token.close()
    verify_chain([link], pinned=manifest_hash(body))
    fingerprint = manifest_hash(body).hex()
    for key in people:
        plan.officers_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        key.save(plan.key_file(key.name), plan.passphrase, fingerprint=fingerprint)
    check = pin_check_of(pin_secret, escrow_serial, _FIRST)
    pin_shares = sealed_set(pin_secret, manifest, _FIRST)
    keep(plan.ceremony_dir, ShareSet(2, _FIRST, escrow_serial, check, "active", pin_shares))
    glass_shares = _split_secrets(plan, named, escrow_serial, {BREAK_GLASS: glass_secret})
    _commit(db, link, {ESCROW_PIN: pin_shares, **glass_shares}, escrow_serial, check)
    return Genesis(fingerprint, online_so_pin)


def _check(plan: GenesisPlan) -> None:
    """Whatever would end a genesis halfway ends it before a token is changed. Raises ConfigurationError."""
    people = len(plan.officers)
    for quorum in (plan.threshold, plan.disclosure):
        if not MIN_QUORUM <= quorum <= people:
            raise ConfigurationError(
                f"a quorum of {quorum} of {people} officers is one person, or can never meet",
                remedy=f"Choose at least {MIN_QUORUM}, and no more than there are officers.",
            )
    if len(set(plan.officers)) != people:
        raise ConfigurationError(
            f"two officers have one name: {', '.join(plan.officers)}", remedy="Name each differently."
        )
    for path in (plan.online_pin_file, plan.bundle, *map(plan.key_file, plan.officers)):
        if path.exists():
            raise ConfigurationError(
                f"{path} is there already, from a genesis that was not finished",
                remedy="Put it aside, and begin again with empty tokens (scripts/softhsm_setup.sh).",
            )


def _make_escrow_token(new: NewToken, pin_secret: bytes, glass_secret: bytes, serial: str) -> bytes:
    """Take the token over with PINs that only shares can give; returns the escrow public key."""
    pin = pin_of(pin_secret)
    _take_over(new, so_pin=so_pin_of(glass_secret, serial), user_pin=pin)
    with open_escrow_token(new.place, pin) as token:
        return token.generate_escrow_key("escrow/1")


def _take_over_online(plan: GenesisPlan) -> str:
    pin, so_pin = pin_of(secrets.token_bytes(20)), pin_of(secrets.token_bytes(20))
    plan.online_pin_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new(plan.online_pin_file, pin.encode("ascii"))
    _take_over(plan.online, so_pin=so_pin, user_pin=pin)
    return so_pin


def _take_over(new: NewToken, *, so_pin: str, user_pin: str) -> None:
    try:
        transport = new.transport_so_pin.read_text("ascii").strip()
    except OSError as error:
        raise ConfigurationError(
            f"{new.transport_so_pin}: {error.strerror}",
            remedy="Prepare the tokens with scripts/softhsm_setup.sh, or begin again with empty ones.",
        ) from error
    take_over(new.place, transport_so_pin=transport, so_pin=so_pin, user_pin=user_pin)
    new.transport_so_pin.unlink()


def _make_online_keys(token: OnlineToken, escrow_point: bytes) -> Keys:
    def secret(kind: str) -> tuple[SecretKeyGeneration, ...]:
        token.create_hmac_key(f"{kind}/1")
        return (SecretKeyGeneration(_FIRST, "current", token.key_check_value(f"{kind}/1").hex()),)

    def signing(kind: str) -> tuple[PublicKeyGeneration, ...]:
        return (PublicKeyGeneration(_FIRST, "current", token.create_signing_key(f"{kind}/1").hex()),)

    return Keys(
        escrow=(PublicKeyGeneration(_FIRST, "current", escrow_point.hex()),),
        pepper=secret("pepper"),
        login_index=secret("login"),
        case=secret("case"),
        note=signing("note"),
        audit_signing=signing("audit"),
        manifest=signing("manifest"),
    )


def _split_secrets(
    plan: GenesisPlan, named: tuple[Officer, ...], serial: str, purposes: dict[str, bytes]
) -> dict[str, dict[UUID, bytes]]:
    """Purpose -> officer -> sealed share."""
    sealed: dict[str, dict[UUID, bytes]] = {}
    for purpose, secret in purposes.items():
        words = split(secret, threshold=plan.threshold, people=len(named))
        sealed[purpose] = {
            officer.officer_id: seal_share(
                officer, share, purpose=purpose, token_serial=serial, generation=_FIRST
            )
            for officer, share in zip(named, words, strict=True)
        }
    return sealed


def _write_new(path: Path, content: bytes) -> None:
    """A new file, 0600 from its first moment, on disk before this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def _commit(
    db: Database, link: SignedManifest, bundle: dict[str, dict[UUID, bytes]], serial: str, check: bytes
) -> None:
    with db.transaction() as conn:
        now = datetime.now(UTC)
        if not insert_manifest(conn, _FIRST, link, now):
            raise GenesisRefusedError("another genesis was through first")
        insert_pin_generation(conn, _FIRST, serial, "active", check, now)
        for purpose, shares in bundle.items():
            for officer, sealed in shares.items():
                insert_share(conn, purpose, _FIRST, OfficerId(officer), sealed, now)
        insert_event(conn, KeysEvent.MANIFEST_SIGNED, now, digest=manifest_hash(link.body))
        insert_event(conn, KeysEvent.SHARES_STORED, now)
