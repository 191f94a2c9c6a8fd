"""What the vault answers, as frozen objects. Members that a newer server adds are ignored."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

Fields: TypeAlias = dict[str, Any]  # a JSON object
"""A record's fields. Text comes back as it was sent, byte for byte."""


@dataclass(frozen=True, slots=True)
class SignedUp:
    """A new user. Show the notice to the person: it says who could ever recover the data."""

    user_id: UUID
    notice: str
    one_time_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session."""

    token: str = field(repr=False)
    user_id: UUID
    expires_at: datetime
    idle_timeout_s: int
    must_change: bool = False
    data_key_remaining: int = 0  # records to be re-encrypted: UserSession.continue_data_key


@dataclass(frozen=True, slots=True)
class DataKeyProgress:
    """How far the records are re-encrypted; at zero `remaining` it is done, but for what does not open."""

    remaining: int
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Recovery:
    """Access was asked for again. Show the phrase: the person reads its six words to the officers."""

    case_id: UUID
    verification_phrase: str
    expires_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class RecoveryStatus:
    """How it stands: open, executing, executed, cancelled, vetoed or expired.

    `executed`: the new password opens the data.
    """

    case_id: UUID
    status: str
    opened_at: datetime
    due_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeMade:
    """A recovery code, shown once."""

    recovery_code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Me:
    """The account of whoever asks."""

    user_id: UUID
    created_at: datetime
    session_id: UUID
    must_change: bool = False


@dataclass(frozen=True, slots=True)
class Seal:
    """The proof that an entry is in the sealed log, as of a checkpoint."""

    index: int  # which leaf, from 0
    leaf: str  # canonical JSON
    inclusion_proof: tuple[bytes, ...]
    checkpoint: str  # a signed note


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of the trail about the user's own data."""

    at: datetime
    what: str
    app: str | None = None
    session_id: UUID | None = None
    record_id: UUID | None = None
    n: int = 1
    seal: Seal | None = None  # None for a second or so, until it is sealed


@dataclass(frozen=True, slots=True)
class Receipt:
    """One entry with its proof."""

    index: int  # which leaf, from 0
    leaf: str  # canonical JSON
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipts:
    """All sealed entries about the user's own data.

    Write `document` to a file as it is: `vaultctl audit verify-receipts` checks it offline.
    """

    user_id: UUID
    checkpoint: str | None  # a signed note; None before the first
    receipts: tuple[Receipt, ...]
    unsealed: int  # entries that are too young: fetch again in a minute
    document: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `warnings` say which values were kept as written but look odd."""

    record_id: UUID
    collection: str
    version: int
    created_at: datetime
    updated_at: datetime
    fields: Fields = field(repr=False)  # personal data: a repr ends up in logs
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordPage:
    """One page of a list or search."""

    items: tuple[Record, ...]
    next_cursor: str | None = None
    broken: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessPage:
    """One page of the trail."""

    items: tuple[Access, ...]
    next_cursor: str | None = None
