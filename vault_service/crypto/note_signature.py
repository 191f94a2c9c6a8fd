"""Whether the key service signed a ceremony's note."""

from cryptography.exceptions import InvalidSignature

from vault_service.crypto.ed25519 import verify_ed25519
from vault_service.domain.ceremony_note import note_signing_input
from vault_service.domain.manifest import Manifest, PublicKeyGeneration
from vault_service.domain.recovery_errors import NoteRefusedError


def check_note_signature(body: bytes, signature: bytes, manifest: Manifest) -> None:
    """By a note key that the manifest names as current or retiring. Raises NoteRefusedError."""
    live = (key for key in manifest.keys.note if key.state in {"current", "retiring"})
    if not any(is_signed_by(key, body, signature) for key in live):
        raise NoteRefusedError("the key service has not signed this note")


def is_signed_by(key: PublicKeyGeneration, body: bytes, signature: bytes) -> bool:
    """Whether this generation of the note key did."""
    try:
        verify_ed25519(bytes.fromhex(key.public_key), signature, note_signing_input(body))
    except (InvalidSignature, ValueError):
        return False
    return True
