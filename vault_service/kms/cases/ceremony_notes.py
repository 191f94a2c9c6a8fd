"""Sign a ceremony's note in the online token, and believe one only by that signature."""

from vault_service.crypto.note_signature import check_note_signature
from vault_service.domain.case import from_case_time
from vault_service.domain.ceremony_note import CeremonyNote, note_signing_input, parse_note
from vault_service.domain.errors import WrongTokenError
from vault_service.domain.ids import CeremonyId
from vault_service.domain.recovery_errors import NoteRefusedError
from vault_service.kms.service import KeyService
from vault_service.storage.keys.ceremonies import CeremonyRow, find_ceremony


def note_label(gen: int) -> str:
    """The token's name for a generation of the key that signs notes."""
    return f"note/{gen}"


def sign_note(service: KeyService, note: CeremonyNote) -> tuple[bytes, bytes]:
    """The canonical bytes and their signature (Ed25519, 64 bytes): one token call.

    Raises WrongTokenError, TokenUnavailableError.
    """
    key, body = service.manifests.current().note_key, note.encode()
    signature = service.keyring.token.sign(note_label(key.gen), note_signing_input(body))
    try:
        check_note_signature(body, signature, service.manifests.current())
    except NoteRefusedError:
        raise WrongTokenError(
            f"key {note_label(key.gen)} of the online token (another than the manifest's)"
        ) from None
    return body, signature


def live_note(service: KeyService, ceremony: CeremonyId) -> CeremonyNote:
    """The note of a ceremony that goes on. Raises NoteRefusedError when it is over or never was."""
    with service.db.connection() as conn:
        row = find_ceremony(conn, ceremony)
    if row is None:
        raise NoteRefusedError("there is no such ceremony")
    return believed_note(service, row)


def believed_note(service: KeyService, row: CeremonyRow) -> CeremonyNote:
    """The same for a row; what stands beside the signed note is not believed. Raises NoteRefusedError."""
    note = parse_note(row.note)
    if note.ceremony_id != row.ceremony:
        raise NoteRefusedError("the note is another ceremony's")
    check_note_signature(row.note, row.signature, service.manifests.current())
    if row.closed_at is not None:
        raise NoteRefusedError("the ceremony was closed")
    if service.now() >= from_case_time(note.expires_at):
        raise NoteRefusedError("the note has expired")
    return note
