"""Chains of manifests in a vault of their own, as an attacker or a quorum of officers would write them."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rig.tokens import opened
from tests.rig.vault import PASSPHRASE, PASSWORD, Vault, settings_of
from vault_service.bootstrap.connections import kms_client
from vault_service.bootstrap.kms import build_key_service
from vault_service.ceremony.officer_key import OfficerKey, load_officer_key
from vault_service.crypto.manifest_chain import Endorsement, SignedManifest
from vault_service.domain.errors import KmsUnavailableError
from vault_service.domain.ids import new_uuid
from vault_service.domain.manifest import (
    Manifest,
    PublicKeyGeneration,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)
from vault_service.kms.protocol.messages import Enrol, Health, HealthIs
from vault_service.kms.service import KeyService
from vault_service.kms.token.online import OnlineToken
from vault_service.settings import KmsClient as KmsClientSettings


def seen(vault: Vault) -> Path:
    return vault.home / "state" / "kms" / "manifest-serial"


def forget(vault: Vault) -> None:
    """The key service's host remembers the first manifest only, as when nothing had happened."""
    seen(vault).write_text("1")
    (seen(vault).parent / "manifest-chain").unlink(missing_ok=True)


def stored(vault: Vault) -> SignedManifest:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT body, signature FROM manifests WHERE serial = 1").fetchone()
    assert row is not None
    return SignedManifest(bytes(row[0]), bytes(row[1]))  # type: ignore[call-overload]  # bytea


def delete(vault: Vault, *, since: int) -> None:
    """As a superuser of the keys database, for whom the triggers are no obstacle."""
    with vault.keys.superuser() as conn:
        conn.execute("ALTER TABLE manifests DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM manifests WHERE serial >= %s", (since,))


def put(vault: Vault, link: SignedManifest) -> None:
    """In place of the rows from that serial on; an attacker does not forget what else belongs to it."""
    manifest = parse_manifest(link.body)
    serial = manifest.serial
    delete(vault, since=serial)
    with vault.keys.superuser() as conn:
        for key in manifest.keys.escrow:
            conn.execute("INSERT INTO escrow_generations VALUES (%s) ON CONFLICT DO NOTHING", (key.gen,))
        conn.execute(
            "INSERT INTO manifests VALUES (%s, %s, %s, %s, now())",
            (serial, link.body, link.signature, msgspec.json.encode(link.endorsements)),
        )


def restart(vault: Vault) -> None:
    """The key service reads the chain when it starts; it listens although it may not believe it."""
    vault.running["kms"].stop()
    vault.start_forked_kms(wait=False)
    vault.wait_for(lambda: health(vault) is not None, vault.running["kms"])


def health(vault: Vault) -> HealthIs | None:
    client = kms_client(KmsClientSettings(url=vault.socket("operator")))
    try:
        found = client.call(Health(), HealthIs)
    except KmsUnavailableError:  # not listening yet
        return None
    finally:
        client.close()
    return found if found.database == "ok" else None


@contextlib.contextmanager
def key_service(vault: Vault, **other: object) -> Iterator[KeyService]:
    """One that starts now, in this process, with the state of the running one; `other`: of its settings."""
    settings = settings_of(vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms.model_copy(update=other))
    opened(service.keyring.token)
    try:
        yield service
    finally:
        service.db.close()
        service.keyring.token.close()


def eve(vault: Vault) -> Enrol:
    return Enrol(vault.app_key, new_uuid(), "eve@example.org", PASSWORD)


def users(vault: Vault) -> int:
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM users").fetchone()
    assert row is not None
    return int(str(row[0]))


def genesis(vault: Vault) -> Manifest:
    return parse_manifest(stored(vault).body)


def follow(previous: Manifest, **changes: object) -> Manifest:
    return msgspec.structs.replace(
        previous, serial=previous.serial + 1, previous=manifest_hash(previous.encode()).hex(), **changes
    )


def with_foreign_escrow(vault: Vault) -> Manifest:
    """The next manifest, but new wraps would be sealed to a key that the attacker holds."""
    before = genesis(vault)
    point = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        Encoding.X962, PublicFormat.UncompressedPoint
    )  # fmt: skip
    old = msgspec.structs.replace(before.keys.escrow[0], state="retiring")
    escrow = (old, PublicKeyGeneration(2, "current", point.hex()))
    return follow(before, keys=msgspec.structs.replace(before.keys, escrow=escrow))


def sign_in_token(vault: Vault, manifest: Manifest, *endorsements: Endorsement) -> SignedManifest:
    """As root on the key service's host: the online token signs whatever it is given."""
    token = OnlineToken(vault.place("online"), (vault.home / "online.pin").read_text("ascii").strip())
    opened(token)
    try:
        body = manifest.encode()
        return SignedManifest(body, token.sign("manifest/1", manifest_signing_input(body)), endorsements)
    finally:
        token.close()


def signed_by(service: KeyService, manifest: Manifest, *endorsements: Endorsement) -> SignedManifest:
    """The same where a key service of this process has the token's module in use already."""
    body = manifest.encode()
    signature = service.keyring.token.sign("manifest/1", manifest_signing_input(body))
    return SignedManifest(body, signature, endorsements)


def officer(vault: Vault, name: str) -> OfficerKey:
    return _opened(vault.home / "officers" / f"{name}.key")


@functools.cache
def _opened(file: Path) -> OfficerKey:
    """Once: its Argon2 costs a third of a second."""
    return load_officer_key(file, PASSPHRASE)[0]


def endorse(key: OfficerKey, manifest: Manifest, *, as_officer: OfficerKey | None = None) -> Endorsement:
    named = as_officer or key
    signature = key.signing.sign(manifest_signing_input(manifest.encode()))
    return Endorsement(named.officer, named.authenticator, signature.hex())
