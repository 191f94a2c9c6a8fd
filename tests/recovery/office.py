"""Officers at work in a vault of their own, and the attackers around them."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rig.people import Person, enrol, kms_of
from tests.rig.tokens import opened
from tests.rig.vault import PASSPHRASE, Vault, settings_of
from vault_service.bootstrap.recovery import officers_host
from vault_service.ceremony.officer_key import OfficerKey, load_officer_key
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.hpke import open_with
from vault_service.domain.case import CaseKind, Scope, case_time
from vault_service.domain.ceremony_note import CeremonyNote, NotedCase, note_signing_input
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, new_uuid
from vault_service.kms.protocol.recovery_messages import BeginRecovery, RecoveryBegun
from vault_service.kms.token.online import OnlineToken
from vault_service.recovery.acting import ActingWithKey, act
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.decide import Approved, approve
from vault_service.recovery.decide import Person as Told
from vault_service.recovery.open_case import Wanted, open_case
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.approvals import insert_approval
from vault_service.storage.keys.ceremonies import ReleaseRow, insert_ceremony, list_releases

NEW_PASSWORD = "nine lanterns behind the old mill"


@functools.cache
def key_of(vault: Path, name: str) -> tuple[OfficerKey, str]:
    """From the key file; opening one costs an Argon2."""
    return load_officer_key(vault / "officers" / f"{name}.key", PASSPHRASE)


@dataclass
class Ceremony:
    """One that waits for shares, as the key service would have signed its note."""

    note: CeremonyNote
    body: bytes
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def id(self) -> CeremonyId:
        return CeremonyId(self.note.ceremony_id)

    def opens(self, sealed: bytes, info: bytes) -> bytes:
        """What was released, with the ephemeral key."""

        def multiply(peer: bytes, /) -> bytes:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), peer)
            return self.key.exchange(ec.ECDH(), point)

        return open_with(multiply, bytes.fromhex(self.note.ephemeral_pk), info, sealed)


@dataclass
class Office:
    """The officers' host."""

    vault: Vault
    parts: RecoveryParts

    def acting(self, name: str) -> ActingWithKey:
        return act(self.parts, *key_of(self.vault.home, name))

    def later(self, **by: float) -> "Office":
        """The same host after some time."""
        parts = self.parts
        return replace(self, parts=replace(parts, now=lambda: parts.now() + timedelta(**by)))

    def open(self, by: str = "ana", kind: CaseKind = "key-ceremony", **wanted: Any) -> ShownCase:
        wanted.setdefault("reason", "as the plan says")
        if kind == "drill":
            wanted.setdefault("scope", Scope(sample=1))
        return open_case(self.parts, self.acting(by), Wanted(kind, **wanted))

    def regain(self, person: Person) -> RecoveryBegun:
        request = BeginRecovery(self.vault.app_key, new_uuid(), person.login, NEW_PASSWORD)
        return person.kms.call(request, RecoveryBegun)

    def person(self) -> Person:
        return enrol(self.vault, kms_of(self.vault))

    def shown(self, case: UUID) -> ShownCase:
        return read_case(self.parts, self.acting("ana").trusted, CaseId(case))

    def approve(self, name: str, shown: ShownCase, person: Told | None = None) -> Approved:
        return approve(self.parts, self.acting(name), shown, person)

    def ceremony(self, shown: Sequence[ShownCase], *, sign: bool = True, **other: Any) -> Ceremony:
        """Put the note of a ceremony into the database; `other`: what stands in it instead."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        fields: dict[str, Any] = {
            "v": 1,
            "ceremony_id": new_uuid(),
            "ephemeral_pk": point.hex(),
            "cases": tuple(NotedCase(each.case.case_id, each.digest.hex()) for each in shown),
            "pin_gens": self.pin_gens(),
            "token_serial": self.acting("ana").manifest.tokens.escrow,
            "manifest_serial": 1,
            "issued_at": case_time(now),
            "expires_at": case_time(now + timedelta(hours=1)),
        }
        note = CeremonyNote(**{**fields, **other})
        body = note.encode()
        signature = self.signature(body) if sign else bytes(64)
        with self.vault.keys.superuser() as conn:
            row = (CeremonyId(note.ceremony_id), body, signature, now + timedelta(hours=1))
            insert_ceremony(conn, *row)
        return Ceremony(note, body, key)

    def pin_gens(self) -> tuple[int, ...]:
        """Which PINs the token may have: another one after each ceremony."""
        query = "SELECT pin_gen FROM pin_generations WHERE state IN ('active', 'switching') ORDER BY 1"
        return tuple(row[0] for row in self.sql(query))

    def signature(self, note: bytes) -> bytes:
        """The key service's; the module is let go at once, since a process has it for one token only."""
        pin = (self.vault.home / "online.pin").read_text("ascii").strip()
        token = OnlineToken(self.vault.place("online"), pin)
        opened(token)
        try:
            return token.sign("note/1", note_signing_input(note))
        finally:
            token.close()

    def close(self, *ceremonies: Ceremony) -> None:
        for each in ceremonies:
            self.sql("UPDATE ceremonies SET closed_at = now() WHERE ceremony_id = %(id)s", id=each.id)

    def releases(self, ceremony: Ceremony) -> tuple[ReleaseRow, ...]:
        with self.parts.db.connection() as conn:
            return list_releases(conn, ceremony.id)

    def plant(self, case: UUID, signed: SignedDecision) -> None:
        """As whoever can write to the table."""
        with self.vault.keys.superuser() as conn:
            insert_approval(conn, CaseId(case), new_uuid(), signed, datetime.now(UTC))

    def sql(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """As a superuser of the keys database."""
        with self.vault.keys.superuser() as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def events(self, case: UUID) -> list[str]:
        rows = self.sql("SELECT kind FROM audit_events WHERE case_id = %(id)s ORDER BY event_id", id=case)
        return [KeysEvent(row[0]).name.lower() for row in rows]

    def count(self, kind: KeysEvent) -> int:
        """How many events of a kind there are."""
        return int(self.sql("SELECT count(*) FROM audit_events WHERE kind = %(kind)s", kind=int(kind))[0][0])

    def approvals(self, case: UUID) -> int:
        return int(self.sql("SELECT count(*) FROM approvals WHERE case_id = %(id)s", id=case)[0][0])


@contextmanager
def opened_office(vault: Vault) -> Iterator[Office]:
    with officers_host(settings_of(vault)) as parts:
        yield Office(vault, parts)
