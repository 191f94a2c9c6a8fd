"""A head of a log: its size and root, and the note that was signed over them."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Self

from vault_service.domain.logs import origin
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.errors import NoteError
from vault_service.tlog.merkle import EMPTY_ROOT
from vault_service.tlog.note import parse_note


@dataclass(frozen=True, slots=True)
class Head:
    """What was signed last in one generation of a log."""

    generation: int
    size: int  # leaves
    root: bytes  # 32
    note: str | None  # None: nothing was signed yet, the generation begins with this size and root

    @classmethod
    def of_note(cls, log_name: str, generation: int, note: str) -> Self:
        """What a note says; its signatures are not verified. Raises NoteError."""
        checkpoint = parse_checkpoint(parse_note(note).text)
        if checkpoint.origin != origin(log_name, generation):
            raise NoteError("the checkpoint belongs to another log, or to another generation of it")
        if checkpoint.extensions:
            raise NoteError("the checkpoint has extension lines")
        return cls(generation, checkpoint.size, checkpoint.root, note)

    @property
    def is_accepted_only(self) -> bool:
        """A restore was accepted, and nothing was signed since: no note binds anybody to it."""
        return self.note is None and self.generation > 1

    def is_same_tree(self, other: "Head") -> bool:
        """Do both say the same of the log?"""
        return (self.size, self.root) == (other.size, other.root)

    def checkpoint(self, log_name: str) -> Checkpoint:
        """What is signed. Raises NoteError for an empty log with the root of another tree."""
        return Checkpoint(origin(log_name, self.generation), self.size, self.root)

    def digest(self, log_name: str) -> bytes:
        """SHA-256 of the checkpoint's text, also of one that could not be signed: it stands in events."""
        lines = (origin(log_name, self.generation), str(self.size), base64.b64encode(self.root).decode())
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).digest()


NOTHING_SIGNED = Head(1, 0, EMPTY_ROOT, None)
"""Before the first head."""
