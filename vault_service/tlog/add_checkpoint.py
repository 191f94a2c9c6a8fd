"""What a log and a witness say to each other: add-checkpoint of C2SP tlog-witness."""

from collections.abc import Iterable
from dataclasses import dataclass

from vault_service.tlog import strict
from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import Signature, parse_signatures
from vault_service.tlog.note import Note, format_note, parse_note

MAX_PROOF = 63  # hashes
SIZE_TYPE = "text/x.tlog.size"
"""Content type of a 409 answer: the size that the witness cosigned last."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A checkpoint's note, and the proof that it appends to the one of `old_size` leaves."""

    old_size: int
    proof: tuple[bytes, ...]  # hashes of 32 bytes
    note: Note

    @classmethod
    def parse(cls, body: str | bytes) -> "AddCheckpoint":
        """Read a request's body. Raises NoteError; whether the proof holds is not looked at."""
        head, blank, note = strict.text_of(body).partition("\n\n")
        if not blank:
            raise NoteError("no empty line divides the proof from the checkpoint")
        first, *proof = head.split("\n")
        if not first.startswith("old "):
            raise NoteError('the first line is not "old", a space and a size')
        if len(proof) > MAX_PROOF:
            raise NoteError(f"the proof has more than {MAX_PROOF} hashes")
        return cls(
            strict.number_of(first.removeprefix("old "), "the old size"),
            tuple(strict.hash_of(line, "a hash of the proof") for line in proof),
            parse_note(note),
        )

    def format(self) -> str:
        """The request's body. Raises NoteError for what `parse` would not read back."""
        proof = "".join(f"{strict.base64_of(each)}\n" for each in self.proof)
        body = f"old {self.old_size}\n{proof}\n{format_note(self.note)}"
        if AddCheckpoint.parse(body) != self:
            raise NoteError("the request would be read differently")
        return body


def parse_cosignatures(body: str | bytes) -> tuple[Signature, ...]:
    """Read a 200 answer's body: 1 to 64 signature lines, not verified. Raises NoteError."""
    return parse_signatures(strict.text_of(body))


def format_cosignatures(signatures: Iterable[Signature]) -> str:
    """A 200 answer's body. Raises NoteError for what `parse_cosignatures` would not read back."""
    given = tuple(signatures)
    body = "".join(f"{each.format()}\n" for each in given)
    if parse_cosignatures(body) != given:
        raise NoteError("the cosignatures would be read differently")
    return body


def parse_cosigned_size(body: str | bytes) -> int:
    """Read a 409 answer's body: the size that the witness cosigned last. Raises NoteError."""
    return strict.number_of(strict.text_of(body)[:-1], "the witness's size")


def format_cosigned_size(size: int) -> str:
    """A 409 answer's body."""
    return f"{size}\n"
