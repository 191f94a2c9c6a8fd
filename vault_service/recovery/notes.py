"""Which ceremony to trust with a share: what the key service has signed, over the cases as they are stored.

Whoever can write to the database can put an ephemeral key of his own there; he cannot sign a note for it.
"""

from dataclasses import dataclass, field

from vault_service.crypto.hpke import load_public_key
from vault_service.crypto.note_signature import check_note_signature
from vault_service.domain.case import case_hash, from_case_time
from vault_service.domain.ceremony_note import CeremonyNote, note_hash, parse_note
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import NoteRefusedError
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.cases import find_case
from vault_service.storage.keys.ceremonies import CeremonyRow


@dataclass(frozen=True, slots=True)
class TrustedNote:
    """A note that was verified, and its hash."""

    note: CeremonyNote
    digest: bytes = field(repr=False)


def verify_note(parts: RecoveryParts, trusted: Chain, row: CeremonyRow) -> TrustedNote:
    """Raises NoteRefusedError, saying what is wrong."""
    note = parse_note(row.note)
    check_note_signature(row.note, row.signature, trusted.newest)
    try:
        load_public_key(bytes.fromhex(note.ephemeral_pk))
    except SealBrokenError:
        raise NoteRefusedError("the note's key is none") from None
    if note.ceremony_id != row.ceremony:
        raise NoteRefusedError("the note is another ceremony's")
    if parts.now() >= from_case_time(note.expires_at):
        raise NoteRefusedError("the note has expired")
    if note.token_serial != trusted.newest.tokens.escrow:
        raise NoteRefusedError("the note is for another token than the manifest names")
    if note.manifest_serial > trusted.newest.serial:
        raise NoteRefusedError("the note names a newer manifest than the database shows: it was restored")
    for noted in note.cases:
        with parts.db.connection() as conn:
            stored = find_case(conn, CaseId(noted.case_id))
        if stored is None or case_hash(stored.body).hex() != noted.case_hash:
            raise NoteRefusedError(f"case {noted.case_id} is not stored as the note lists it")
    return TrustedNote(note, note_hash(row.note))
