"""What every message of the key service has in common."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

Password = Annotated[str, Meta(min_length=1, max_length=4096)]
Login = Annotated[str, Meta(min_length=1, max_length=1280)]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*\Z")]
BearerKey = Annotated[str, Meta(max_length=200)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
TreeSize = Annotated[int, Meta(ge=0, le=2**63 - 1)]
NoteText = Annotated[str, Meta(max_length=65_536)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all requests."""

    name: ClassVar[str]
    callers: ClassVar[frozenset[str]]
    patience_s: ClassVar[float] = 15.0  # how long a caller waits: an unlock may wait for Argon2's turn

    def __repr__(self) -> str:
        """No field: most hold secrets, and a repr ends up in tracebacks."""
        return type(self).__name__


class Answer(msgspec.Struct, frozen=True):
    """Base of all answers; unknown fields of a newer server are ignored."""

    def __repr__(self) -> str:
        """No field: some are keys."""
        return type(self).__name__


class Done(Answer, frozen=True):
    """Nothing to say but that it is done."""


class Refusal(Answer, frozen=True):
    """Any error."""

    code: str
    detail: str
    retry_after_s: int | None = None
