"""Signed notes (C2SP signed-note): a text, and the signatures of a log and of those who watch it."""

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.tlog import strict
from vault_service.tlog.cosignature import cosigned_at
from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import (
    COSIGNATURE,
    ED25519,
    MAX_SIGNATURES,
    Signature,
    VerifierKey,
    one_by_each,
    parse_signatures,
)

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "MAX_SIGNATURES",
    "Note",
    "Signature",
    "VerifierKey",
    "format_note",
    "parse_note",
    "verified",
]


@dataclass(frozen=True, slots=True)
class Note:
    """A text (which ends with a newline) and who claims to have signed it; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        """Refuse a signature that stands there twice, and would count twice. Raises NoteError."""
        one_by_each(self.signatures)

    def signed_also(self, signatures: Iterable[Signature]) -> "Note":
        """The same text with these too; a newer one takes the place of the same key's. Raises NoteError."""
        lines = {(each.name, each.key_id): each for each in (*self.signatures, *signatures)}
        return Note(self.text, tuple(lines.values()))


def parse_note(message: str | bytes) -> Note:
    """Read a note of at most 1 MiB and 64 signatures. Raises NoteError for all but the one spelling."""
    text = strict.text_of(message)
    body, blank, lines = text.rpartition("\n\n")  # the text may hold empty lines: the last one divides
    if not blank:
        raise NoteError("no empty line divides the text from its signatures")
    if not body:
        raise NoteError("the note's text is empty")
    if not lines:
        raise NoteError("the note has no signature, or an empty line after the last")
    return Note(body + "\n", parse_signatures(lines))


def format_note(note: Note) -> str:
    """The note as it is stored and sent. Raises NoteError for what `parse_note` would not read back."""
    lines = "".join(each.format() + "\n" for each in note.signatures)
    message = f"{note.text}\n{lines}"
    if parse_note(message) != note:
        raise NoteError("the note's text or a name in it would be read differently")
    return message


def verified(note: Note, keys: Iterable[VerifierKey]) -> tuple[tuple[VerifierKey, int | None], ...]:
    """The keys that signed, in the note's order, each cosigner's with its time (POSIX seconds).

    Signatures by other keys are ignored. Raises NoteError if one by a known key fails, or none is known.
    """
    known = _by_line(keys)
    found: list[tuple[VerifierKey, int | None]] = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            found.append((key, _checked(key, note.text, signature)))
    if not found:
        raise NoteError("no known key has signed the note")
    return tuple(found)


def _by_line(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteError(f"two keys are named {key.name} and have the same key id")
    logs = {key.public_key for key in known.values() if key.key_type == ED25519}
    cosigners: dict[bytes, str] = {}
    for key in known.values():
        if key.key_type != COSIGNATURE:
            continue
        if key.public_key in logs:  # nobody is a log's witness with the log's own key
            raise NoteError(f"{key.name} cosigns with a key that signs a log")
        # A cosignature does not commit to its cosigner's name: one key under two names counts as two.
        if cosigners.setdefault(key.public_key, key.name) != key.name:
            raise NoteError(f"{key.name} and {cosigners[key.public_key]} have one cosigning key")
    return known


def _checked(key: VerifierKey, text: str, signature: Signature) -> int | None:
    if key.key_type == COSIGNATURE:
        return cosigned_at(key, text, signature)
    try:
        Ed25519PublicKey.from_public_bytes(key.public_key).verify(signature.blob, text.encode())
    except InvalidSignature:  # another length, too
        raise NoteError(f"the signature by {key.name} is not of this text") from None
    return None
