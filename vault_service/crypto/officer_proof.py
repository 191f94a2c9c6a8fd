"""An officer's signature over one call of the key service: who can reach the socket is not yet an officer.

What is signed names the call, everything that is asked, the officer, the authenticator, the time and a
nonce, so that it stands for nothing else. That a nonce is good only once is the key service's to see to.
"""

import hashlib
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import rfc8785
from cryptography.exceptions import InvalidSignature

from vault_service.crypto.officer_signature import verify_signature
from vault_service.domain.case import officer_call_message
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Manifest, Officer
from vault_service.domain.recovery_errors import OfficerRefusedError

GOOD_FOR_S = 120  # s, either way: hosts' clocks differ, and a recorded proof must soon be worth nothing


class Proof(Protocol):
    """What an officer hands in; see kms/protocol/recovery_messages.py: OfficerProof."""

    @property
    def officer_id(self) -> UUID:
        """Whose it claims to be."""
        ...

    @property
    def authenticator_id(self) -> UUID:
        """Which of the officer's keys signed."""
        ...

    @property
    def at(self) -> int:
        """When, in seconds since 1970."""
        ...

    @property
    def nonce(self) -> bytes:
        """16 random bytes."""
        ...

    @property
    def signature(self) -> bytes:
        """Ed25519, 64 bytes; of a passkey its encoded assertion."""
        ...


def request_hash(plain: dict[str, Any]) -> bytes:
    """SHA-256 over the canonical JSON (RFC 8785) of a request without its proof.

    Raises InvalidInputError for what has no canonical form, such as a number above 2^53.
    """
    try:
        return hashlib.sha256(rfc8785.dumps(plain)).digest()
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        raise InvalidInputError("request", "it has no canonical form that could be signed") from None


def proof_message(
    call: str, digest: bytes, officer: UUID, authenticator: UUID, at: int, nonce: bytes
) -> bytes:
    """What is signed; `digest`: request_hash of the request, `at`: seconds since 1970, `nonce`: 16 bytes."""
    return officer_call_message(call, digest, officer, authenticator, at, nonce)


def verify_proof(manifest: Manifest, call: str, digest: bytes, proof: Proof, now: datetime) -> Officer:
    """The officer of this manifest who signed this very call within the last two minutes.

    Raises OfficerRefusedError.
    """
    officer = next((each for each in manifest.officers if each.officer_id == proof.officer_id), None)
    if officer is None:
        raise OfficerRefusedError("not an officer of the current manifest")
    key = next((a for a in officer.authenticators if a.authenticator_id == proof.authenticator_id), None)
    if key is None:
        raise OfficerRefusedError(f"{officer.name} has no such authenticator")
    if abs(now.timestamp() - proof.at) > GOOD_FOR_S:
        raise OfficerRefusedError(f"signed by {officer.name} more than {GOOD_FOR_S} s from this host's time")
    message = proof_message(call, digest, officer.officer_id, key.authenticator_id, proof.at, proof.nonce)
    try:
        verify_signature(key, proof.signature, message)
    except InvalidSignature:
        raise OfficerRefusedError(f"the signature of {officer.name} is not over this call") from None
    return officer
