"""An officer at work: who it is, the manifest that is believed, and calls that the officer signs.

With a key file the signing is done here (ActingWithKey). With a passkey it is done in a browser: what is to
be signed is prepared here, and comes back with the signature.
"""

import os
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from vault_service.ceremony.officer_key import OfficerKey
from vault_service.crypto import approvals
from vault_service.crypto.approvals import SignedDecision
from vault_service.crypto.officer_proof import proof_message, request_hash
from vault_service.domain.case import Decision
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Authenticator, Manifest, Officer
from vault_service.domain.recovery_errors import OfficerRefusedError
from vault_service.kms.protocol.message_base import Answer
from vault_service.kms.protocol.recovery_messages import (
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
_R = TypeVar("_R", OpenCase, Identify, FindUser)
_NOBODY = UUID(int=0)
UNSIGNED = OfficerProof(_NOBODY, _NOBODY, 0, bytes(16), bytes(64))
"""Stands where the proof comes once the rest of a request is known."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Whoever holds this authenticator; whether it is an officer's is asked each time it matters."""

    officer_id: OfficerId
    authenticator_id: UUID
    name: str
    trusted: Chain = field(repr=False)

    @property
    def manifest(self) -> Manifest:
        """The newest that is believed."""
        return self.trusted.newest

    @property
    def officer(self) -> Officer:
        """As the manifest names them. Raises OfficerRefusedError."""
        for officer in self.manifest.officers:
            if officer.officer_id == self.officer_id:
                if self.authenticator_id in {each.authenticator_id for each in officer.authenticators}:
                    return officer
                raise OfficerRefusedError(
                    f"{officer.name} has another key now: this key file or passkey was replaced"
                )
        raise OfficerRefusedError(f"{self.name} is not an officer (any more)")

    @property
    def authenticator(self) -> Authenticator:
        """What the officer signs with here. Raises OfficerRefusedError."""
        found = self.officer.authenticators
        return next(each for each in found if each.authenticator_id == self.authenticator_id)


@dataclass(frozen=True, slots=True)
class ActingWithKey(Acting):
    """With the keys of a key file, which was opened."""

    key: OfficerKey

    def decide(self, digest: bytes, decision: Decision, reason: str = "") -> SignedDecision:
        """Sign a decision over a case. `digest`: its hash; `reason`: of a veto."""
        message = decision_message(self, digest, decision, reason)
        return decided(self, decision, self.key.signing.sign(message), reason)


@dataclass(frozen=True, slots=True)
class PreparedCall(Generic[_R]):
    """A call of the key service that waits for its officer's signature, two minutes at the most."""

    request: _R = field(repr=False)  # with UNSIGNED
    officer_id: UUID
    authenticator_id: UUID
    at: int  # seconds since 1970
    nonce: bytes
    message: bytes = field(repr=False)  # what is to be signed


def act(parts: RecoveryParts, key: OfficerKey, pinned: str) -> ActingWithKey:
    """Begin to act with a key file's keys. `pinned`: the file's fingerprint. Raises ManifestError."""
    return ActingWithKey(key.officer, key.authenticator, key.name, trusted_chain(parts, pinned), key)


def act_by_passkey(parts: RecoveryParts, officer_id: UUID, authenticator_id: UUID) -> Acting:
    """Act for somebody who signs in a browser; the chain is read and verified anew.

    Raises ManifestError; OfficerRefusedError unless the newest manifest names this officer with this passkey.
    """
    trusted = trusted_chain(parts)
    name = next((each.name for each in trusted.newest.officers if each.officer_id == officer_id), "somebody")
    acting = Acting(OfficerId(officer_id), authenticator_id, name, trusted)
    if acting.authenticator.kind != "passkey":
        raise OfficerRefusedError(f"{name} signs with a key file, which is never handed to a web page")
    return acting


def decision_message(acting: Acting, digest: bytes, decision: Decision, reason: str = "") -> bytes:
    """What this officer signs to decide so about the case with this hash. `reason`: of a veto."""
    return approvals.decision_message(digest, decided(acting, decision, b"", reason))


def decided(acting: Acting, decision: Decision, signature: bytes, reason: str = "") -> SignedDecision:
    """A decision with its signature, of which nothing is believed yet."""
    return SignedDecision(acting.officer_id, acting.authenticator_id, decision, signature, reason=reason)


def prepare_call(parts: RecoveryParts, acting: Acting, request: _R) -> PreparedCall[_R]:
    """What the officer has to sign so that the key service takes this call; `request` comes with UNSIGNED."""
    at, nonce = int(parts.now().timestamp()), os.urandom(16)
    digest = request_hash(signed_hash_input(request))
    message = proof_message(request.name, digest, acting.officer_id, acting.authenticator_id, at, nonce)
    return PreparedCall(request, acting.officer_id, acting.authenticator_id, at, nonce, message)


def send_call(parts: RecoveryParts, prepared: PreparedCall[_R], signature: bytes, answer: type[_A]) -> _A:
    """Make the call. Raises OfficerRefusedError unless the signature is over it, and whatever it raises."""
    proof = OfficerProof(
        prepared.officer_id, prepared.authenticator_id, prepared.at, prepared.nonce, signature
    )
    return parts.kms.call(msgspec.structs.replace(prepared.request, proof=proof), answer)


def call(parts: RecoveryParts, acting: ActingWithKey, request: _R, answer: type[_A]) -> _A:
    """Prepare, sign and send."""
    prepared = prepare_call(parts, acting, request)
    return send_call(parts, prepared, acting.key.signing.sign(prepared.message), answer)
