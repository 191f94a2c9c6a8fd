"""What plays officers and a ceremony: key files, approvals, shares of the escrow PIN, a peel and its result.

Only what people and the ceremony process do is played; keys, tokens and both services are real.
"""

import base64
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rig.vault import PASSPHRASE, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.ceremony.officer_key import OfficerKey, load_officer_key
from vault_service.ceremony.shares import ESCROW_PIN, combine, open_share
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.hpke import seal_to
from vault_service.domain.case import Case, Decision, approval_message, case_hash
from vault_service.domain.ceremony_note import parse_note
from vault_service.domain.contexts import RegainContext
from vault_service.domain.ids import CaseId, DekId, OfficerId, TenantId, UserId, new_uuid
from vault_service.domain.manifest import Manifest, parse_manifest
from vault_service.kms.protocol.message_base import Answer, Request
from vault_service.kms.protocol.recovery_messages import (
    CeremonyOpened,
    CompleteCase,
    DoneCase,
    OpenCeremony,
    Peel,
    Peeled,
    PeeledWrap,
)
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys.approvals import insert_approval
from vault_service.storage.keys.manifests import load_chain
from vault_service.storage.keys.own_shares import list_own_shares

Call = Callable[[Request, type[Answer]], Answer]


@functools.cache
def _load(path: Path) -> OfficerKey:
    return load_officer_key(path, PASSPHRASE)[0]


def officer_key(vault: Vault, name: str) -> OfficerKey:
    """An officer's secret keys; opened once, since that takes an Argon2."""
    return _load(vault.home / "officers" / f"{name}.key")


def manifest_of(vault: Vault) -> Manifest:
    """The newest that is stored."""
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT body FROM manifests ORDER BY serial DESC LIMIT 1").fetchone()
    assert row is not None
    return parse_manifest(bytes(row[0]))  # type: ignore[call-overload]  # bytea


def decide(
    key: OfficerKey,
    body: bytes,
    decision: Decision = "approve",
    *,
    identified: bytes | None = None,
    endorsement: bytes | None = None,
) -> SignedDecision:
    """An officer's signature over a case's canonical bytes."""
    message = approval_message(case_hash(body), decision, key.officer, key.authenticator)
    signature = key.signing.sign(message)
    return SignedDecision(key.officer, key.authenticator, decision, signature, identified, endorsement)


def hand_in(vault: Vault, case: UUID, *decisions: SignedDecision) -> None:
    """Append decisions as an officer's process may: whatever they are worth."""
    db = vault.keys.open("vault_recovery", size=1)
    try:
        with db.transaction() as conn:
            for signed in decisions:
                assert insert_approval(conn, CaseId(case), new_uuid(), signed, datetime.now(UTC))
    finally:
        db.close()


def words_of(vault: Vault, name: str, pin_gen: int = 1) -> str:
    """An officer's share of the escrow PIN."""
    key = officer_key(vault, name)
    db = vault.keys.open("vault_recovery", size=1)
    try:
        with db.connection() as conn:
            sealed = list_own_shares(conn, ESCROW_PIN, OfficerId(key.officer)).get(pin_gen)
            serial = parse_manifest(load_chain(conn)[-1].body).tokens.escrow
    finally:
        db.close()
    assert sealed is not None
    return open_share(
        key.share_seed, sealed, officer=key.officer, purpose=ESCROW_PIN, token_serial=serial,
        generation=pin_gen,
    )  # fmt: skip


def escrow_pin(vault: Vault, names: Iterable[str], pin_gen: int = 1) -> str:
    """The escrow token's PIN out of these officers' shares."""
    secret = combine([words_of(vault, name, pin_gen) for name in names])
    return base64.b32encode(secret).rstrip(b"=").decode("ascii")


def sealed_for(case: Case, wrap: PeeledWrap, dek: bytes) -> bytes:
    """What a ceremony leaves of a regain: the DEK to the case's key."""
    assert case.target_pk is not None
    place = RegainContext(
        TenantId(wrap.tenant), UserId(wrap.user_id), DekId(wrap.dek_id), wrap.epoch, case_hash(case.encode())
    )
    return seal_to(bytes.fromhex(case.target_pk), place.encode(), dek)


@dataclass
class Ceremony:
    """As the ceremony process reaches the key service; `call` may also be a key service in this process."""

    call: Call
    token_serial: str
    ceremony_id: UUID = field(default_factory=new_uuid)
    opened: CeremonyOpened | None = None
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )

    @property
    def ephemeral_pk(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def open(self, *cases: UUID, pin_gens: tuple[int, ...] = (1,)) -> CeremonyOpened:
        request = OpenCeremony(cases, self.ephemeral_pk, pin_gens, self.token_serial)
        opened = self.call(request, CeremonyOpened)
        assert isinstance(opened, CeremonyOpened)
        self.opened = opened
        self.ceremony_id = parse_note(opened.note).ceremony_id
        return opened

    def peel(self, case: UUID, after: UUID | None = None, limit: int = 500) -> Peeled:
        peeled = self.call(Peel(self.ceremony_id, case, after, limit), Peeled)
        assert isinstance(peeled, Peeled)
        return peeled

    def complete(self, case: UUID, **result: object) -> DoneCase:
        done = self.call(CompleteCase(self.ceremony_id, case, **result), DoneCase)  # type: ignore[arg-type]
        assert isinstance(done, DoneCase)
        return done


def ceremony_of(vault: Vault) -> Ceremony:
    """At the running key service."""
    client = kms_client(KmsClientSettings(url=vault.socket("ceremony")))
    return Ceremony(client.call, manifest_of(vault).tokens.escrow)
