"""People who recover and officers who decide, at a key service inside the test's process."""

import functools
import os
import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from tests.rig.people import Person
from tests.rig.vault import PASSPHRASE, Vault
from vault_service.ceremony.officer_key import OfficerKey, load_officer_key
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.officer_proof import proof_message, request_hash
from vault_service.domain.case import Case, Decision, approval_message, case_hash, parse_case
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.kms.protocol.recovery_messages import (
    BeginRecovery,
    Identify,
    OfficerProof,
    RecoveryBegun,
    RecoveryStatus,
    VetoCase,
    signed_hash_input,
)
from vault_service.kms.recovery.begin_recovery import begin_recovery
from vault_service.kms.recovery.identify import identify
from vault_service.kms.recovery.officer_cases import veto_case
from vault_service.kms.recovery.recovery_status import recovery_status
from vault_service.kms.service import KeyService
from vault_service.storage.keys.approvals import insert_approval
from vault_service.storage.keys.cases import CaseRow, find_case
from vault_service.storage.keys.events import insert_event

NEW_PASSWORD = "nine lanterns behind the old mill"
UNSIGNED = OfficerProof(UUID(int=0), UUID(int=0), 0, bytes(16), bytes(64))
_R = TypeVar("_R", bound=Any)


@functools.cache
def officer(home: Path, name: str) -> OfficerKey:
    """From the key file that genesis made; opening one costs an Argon2."""
    key, _ = load_officer_key(home / "officers" / f"{name}.key", PASSPHRASE)
    return key


def signed(
    service: KeyService, key: OfficerKey, request: _R, *, at: int | None = None, nonce: bytes = b""
) -> _R:
    """The request with the officer's proof."""
    return sign_call(key, request, at=int(service.now().timestamp()) if at is None else at, nonce=nonce)


def sign_call(key: OfficerKey, request: _R, *, at: int | None = None, nonce: bytes = b"") -> _R:
    """The same by this host's clock; `at`: seconds since 1970."""
    seconds, nonce = int(time.time()) if at is None else at, nonce or os.urandom(16)
    digest = request_hash(signed_hash_input(request))
    message = proof_message(request.name, digest, key.officer, key.authenticator, seconds, nonce)
    proof = OfficerProof(key.officer, key.authenticator, seconds, nonce, key.signing.sign(message))
    return msgspec.structs.replace(request, proof=proof)


def decision(key: OfficerKey, case: Case, what: Decision, identified: bytes | None = None) -> SignedDecision:
    message = approval_message(case_hash(case.encode()), what, key.officer, key.authenticator)
    return SignedDecision(key.officer, key.authenticator, what, key.signing.sign(message), identified)


def later(service: KeyService, **by: float) -> KeyService:
    """The same key service after some time."""
    return replace(service, now=lambda: service.now() + timedelta(**by))


def with_limits(service: KeyService, **limits: float) -> KeyService:
    """With other limits than the policy's."""
    policies = service.policies
    changed = msgspec.structs.replace(policies.recovery.limits, **limits)
    recovery = msgspec.structs.replace(policies.recovery, limits=changed)
    return replace(service, policies=msgspec.structs.replace(policies, recovery=recovery))


@dataclass
class Recoveries:
    """What a test does, and what it sees in the keys database."""

    vault: Vault
    service: KeyService
    begun: list[UUID] = field(default_factory=list)

    def begin(self, login: str, *, password: str = NEW_PASSWORD, stolen: bool = False, app_key: str = "",
              case: UUID | None = None) -> RecoveryBegun:  # fmt: skip
        request = BeginRecovery(app_key or self.vault.app_key, case or new_uuid(), login, password, stolen)
        return begin_recovery(self.service, request)

    def of(self, person: Person, *, stolen: bool = False) -> RecoveryBegun:
        return self.begin(person.login, stolen=stolen)

    def status(self, case: UUID) -> str:
        return recovery_status(self.service, RecoveryStatus(self.vault.app_key, case)).state

    def row(self, case: UUID) -> CaseRow:
        with self.service.db.connection() as conn:
            row = find_case(conn, CaseId(case))
        assert row is not None
        return row

    def case(self, case: UUID) -> Case:
        return parse_case(self.row(case).body)

    def officer(self, name: str) -> OfficerKey:
        return officer(self.vault.home, name)

    def identify(self, name: str, case: UUID, login: str, phrase: str) -> bytes:
        request = Identify(case, login, phrase, UNSIGNED)
        return identify(self.service, signed(self.service, self.officer(name), request)).identified

    def approve(self, name: str, begun: RecoveryBegun, login: str) -> None:
        """As an officer's client does it."""
        identified = self.identify(name, begun.case_id, login, begun.verification_phrase)
        self.put(decision(self.officer(name), self.case(begun.case_id), "approve", identified), begun.case_id)

    def put(self, what: SignedDecision, case: UUID) -> None:
        with self.service.db.transaction() as conn:
            insert_approval(conn, CaseId(case), new_uuid(), what, self.service.now())
            insert_event(conn, KeysEvent.CASE_APPROVED, self.service.now(), case=CaseId(case))

    def veto(self, name: str, case: UUID) -> str:
        what = decision(self.officer(name), self.case(case), "veto")
        request = VetoCase(case, what.officer_id, what.authenticator_id, "veto", what.signature)
        return veto_case(self.service, request).state

    def events(self, case: UUID) -> list[KeysEvent]:
        """Of one case, in order."""
        with self.vault.keys.superuser() as conn:
            rows = conn.execute(
                "SELECT kind FROM audit_events WHERE case_id = %s ORDER BY event_id", (case,)
            ).fetchall()
        return [KeysEvent(row[0]) for row in rows]

    def told(self, case: UUID) -> list[tuple[str, str]]:
        """Whom of what."""
        with self.vault.keys.superuser() as conn:
            rows = conn.execute(
                """SELECT audience, what FROM notifications WHERE case_id = %s
                   ORDER BY created_at, audience""", (case,)
            ).fetchall()  # fmt: skip
        return [(str(row[0]), str(row[1])) for row in rows]
