"""Checkpoints (C2SP tlog-checkpoint): the text of a note that fixes a log's size and root."""

from dataclasses import dataclass

from vault_service.tlog import strict
from vault_service.tlog.errors import NoteError
from vault_service.tlog.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` leaves of the log `origin` have this root (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()  # lines that nobody can audit; C2SP advises against them

    def __post_init__(self) -> None:
        """Refuse what `parse_checkpoint` would not read back. Raises NoteError."""
        if not 0 <= self.size <= MAX_SIZE:
            raise NoteError("the checkpoint's size lies between 0 and 2**63 - 1")
        if len(self.root) != HASH_BYTES:
            raise NoteError(f"the checkpoint's root has {len(self.root)} bytes, not {HASH_BYTES}")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise NoteError("the checkpoint of an empty log has the root of another tree")
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise NoteError("a line of a checkpoint is empty or holds a newline")
        strict.text_of(self.body())

    def body(self) -> str:
        """The note's text: what is signed, cosigned and hashed (as UTF-8)."""
        lines = (self.origin, str(self.size), strict.base64_of(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text. Raises NoteError for all but the one spelling of a checkpoint."""
    lines = strict.text_of(text)[:-1].split("\n")
    if "" in lines:
        raise NoteError("the checkpoint holds an empty line")
    if len(lines) < 3:
        raise NoteError("a checkpoint has at least three lines: origin, size and root")
    size = strict.number_of(lines[1], "the checkpoint's size")
    root = strict.hash_of(lines[2], "the checkpoint's root")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]))
