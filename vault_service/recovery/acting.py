"""An officer at work: the key file's keys, the manifest that is believed, and calls signed with them."""

import os
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import msgspec

from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.officer_proof import proof_message, request_hash
from vault_service.domain.case import Decision, approval_message
from vault_service.domain.manifest import Manifest, Officer
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.kms.message_base import Answer
from vault_service.kms.recovery_messages import (
    FindUser,
    Identify,
    OfficerProof,
    OpenCase,
    signed_hash_input,
)
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.trust import trusted_chain
from vault_service.storage.keys.believed_chain import Chain

_A = TypeVar("_A", bound=Answer)
_NOBODY = UUID(int=0)
UNSIGNED = OfficerProof(_NOBODY, _NOBODY, 0, bytes(16), bytes(64))
"""Stands where the proof comes once the rest of a request is known."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Whoever holds this key; whether it is an officer's is asked each time it matters."""

    key: OfficerKey
    trusted: Chain = field(repr=False)

    @property
    def manifest(self) -> Manifest:
        """The newest that is believed."""
        return self.trusted.newest

    @property
    def officer(self) -> Officer:
        """As the manifest names them. Raises OfficerRefusedError."""
        for officer in self.manifest.officers:
            if officer.officer_id == self.key.officer:
                if self.key.authenticator in {a.authenticator_id for a in officer.authenticators}:
                    return officer
                raise OfficerRefusedError(f"{officer.name} has another key now: this key file was replaced")
        raise OfficerRefusedError(f"{self.key.name} is not an officer (any more)")

    def decide(self, digest: bytes, decision: Decision) -> SignedDecision:
        """Sign a decision over a case. `digest`: its hash."""
        officer, authenticator = self.key.officer, self.key.authenticator
        message = approval_message(digest, decision, officer, authenticator)
        return SignedDecision(officer, authenticator, decision, self.key.signing.sign(message))


def act(parts: RecoveryParts, key: OfficerKey, pinned: str) -> Acting:
    """Begin to act with a key file's keys. `pinned`: the file's fingerprint. Raises ManifestError."""
    return Acting(key, trusted_chain(parts, pinned))


def call(
    parts: RecoveryParts, acting: Acting, request: OpenCase | Identify | FindUser, answer: type[_A]
) -> _A:
    """Make a call of the key service in the officer's name; `request` comes with UNSIGNED."""
    key, at, nonce = acting.key, int(parts.now().timestamp()), os.urandom(16)
    digest = request_hash(signed_hash_input(request))
    message = proof_message(request.name, digest, key.officer, key.authenticator, at, nonce)
    proof = OfficerProof(key.officer, key.authenticator, at, nonce, key.signing.sign(message))
    return parts.kms.call(msgspec.structs.replace(request, proof=proof), answer)
