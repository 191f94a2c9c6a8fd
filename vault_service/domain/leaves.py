"""An event as a leaf of its log: canonical JSON (RFC 8785), the same bytes for ever.

Neither locale nor time zone nor the database's version has a say in them: times are written here, in
UTC with six digits, and what is not there is left out, so that a column added one day changes no leaf.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import rfc8785

from vault_service.domain.events import KeysEvent, RecordsEvent

LEAF_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON_INTEGERS = 2**53


@dataclass(frozen=True, slots=True)
class KeysLeaf:
    """One event of the keys log."""

    user_id: UUID
    event_id: UUID
    kind: int
    at: datetime | str  # str: no time of this world, as the database says it
    app_id: UUID | None
    unlock_id: UUID | None
    epoch: int | None
    login_index: bytes | None
    digest: bytes | None
    case_id: UUID | None = None
    officer_id: UUID | None = None

    def encode(self) -> bytes:
        """The leaf."""
        return _encode(
            _common(self.user_id, self.event_id, kind_name(KeysEvent, self.kind), self.at),
            app_id=self.app_id, unlock_id=self.unlock_id, epoch=self.epoch,
            login_index=self.login_index, digest=self.digest, case_id=self.case_id,
            officer_id=self.officer_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordsLeaf:
    """One event of the records log."""

    user_id: UUID
    event_id: UUID
    kind: int
    at: datetime | str
    app_id: UUID | None
    session_id: UUID | None
    unlock_id: UUID | None
    record_id: UUID | None
    n: int
    digest: bytes | None

    def encode(self) -> bytes:
        """The leaf."""
        return _encode(
            _common(self.user_id, self.event_id, kind_name(RecordsEvent, self.kind), self.at),
            app_id=self.app_id, session_id=self.session_id, unlock_id=self.unlock_id,
            record_id=self.record_id, n=self.n, digest=self.digest,
        )  # fmt: skip


Leaf = KeysLeaf | RecordsLeaf


def kind_name(kinds: type[KeysEvent] | type[RecordsEvent], number: int) -> str:
    """The kind's name; of a number that stands in no enumeration (a row from elsewhere), the number."""
    try:
        return kinds(number).name.lower()
    except ValueError:
        return f"unknown_{number}"


def time_of(leaf: Leaf) -> datetime:
    """When it happened; 1970 where its time is none."""
    return _EPOCH if isinstance(leaf.at, str) else leaf.at


def _common(user: UUID, event: UUID, kind: str, at: datetime | str) -> dict[str, str | int]:
    if isinstance(at, datetime):
        at = at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "v": LEAF_VERSION,
        "event_id": str(event),
        "kind": kind,
        "at": at,
        "user_id": str(user),
    }


def _encode(leaf: dict[str, str | int], **more: object) -> bytes:
    """`more`: UUID, bytes, int or None, unless a superuser gave a column another type."""
    for name, value in more.items():
        if isinstance(value, UUID):
            leaf[name] = str(value)
        elif isinstance(value, bytes):
            leaf[name] = value.hex()
        elif isinstance(value, int) and abs(value) < _JSON_INTEGERS:
            leaf[name] = value
        elif value is not None:
            # RFC 8785 has no integers beyond 2^53; none of ours gets there, but a row put in by hand may, as
            # may a column whose type was changed, and must not keep the log from being sealed.
            leaf[name] = str(value)
    return rfc8785.dumps(leaf)
