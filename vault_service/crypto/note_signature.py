"""Whether the key service signed a ceremony's note."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.domain.ceremony_note import note_signing_input
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import NoteRefusedError


def check_note_signature(body: bytes, signature: bytes, manifest: Manifest) -> None:
    """By a note key that the manifest names as current or retiring. Raises NoteRefusedError."""
    message = note_signing_input(body)
    for key in manifest.keys.note:
        if key.state not in {"current", "retiring"}:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key)).verify(signature, message)
        except (InvalidSignature, ValueError):
            continue
        return
    raise NoteRefusedError("the key service has not signed this note")
