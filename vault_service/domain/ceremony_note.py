"""The key service's word that an ephemeral key belongs to a ceremony over these cases.

Officers release their shares to this key only; without the note, whoever can write to the database
could have shares released to a key of his own.
"""

import hashlib
from typing import Annotated, Literal
from uuid import UUID

import msgspec
import rfc8785
from msgspec import Meta

from vault_service.domain.case import Hash, Point, Time
from vault_service.domain.contexts import context, u64
from vault_service.domain.recovery_errors import NoteRefusedError


class NotedCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case that the ceremony is for."""

    case_id: UUID
    case_hash: Hash


class CeremonyNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Signed by the note key in the online token (Ed25519)."""

    v: Literal[1]
    ceremony_id: UUID
    ephemeral_pk: Point  # P-256, uncompressed; its private half is in the ceremony's memory only
    cases: tuple[NotedCase, ...]
    pin_gens: tuple[Annotated[int, Meta(ge=1)], ...]  # one; two while a change of the PIN is under way
    token_serial: str  # of the escrow token
    manifest_serial: Annotated[int, Meta(ge=1)]
    issued_at: Time
    expires_at: Time

    def encode(self) -> bytes:
        """Canonical JSON (RFC 8785)."""
        return rfc8785.dumps(msgspec.to_builtins(self))


def parse_note(body: bytes) -> CeremonyNote:
    """Parse canonical bytes. Raises NoteRefusedError."""
    try:
        note = msgspec.json.decode(body, type=CeremonyNote)
        is_canonical = note.encode() == body
    except (msgspec.DecodeError, UnicodeDecodeError, rfc8785.CanonicalizationError):
        raise NoteRefusedError("a ceremony's note cannot be read") from None
    if not is_canonical or not note.cases or not note.pin_gens:
        raise NoteRefusedError("a ceremony's note is not in canonical form")
    return note


def note_hash(body: bytes) -> bytes:
    """SHA-256 of the canonical bytes."""
    return hashlib.sha256(body).digest()


def note_signing_input(body: bytes) -> bytes:
    """What the note key signs."""
    return context(b"ceremony-note", note_hash(body))


def release_info(note_digest: bytes, officer: UUID, pin_gen: int) -> bytes:
    """HPKE info of a released share: for this note, from this officer, of this PIN and nothing else."""
    return context(b"release", note_digest, officer.bytes, u64(pin_gen))
