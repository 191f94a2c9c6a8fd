"""What every use case on records needs and gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.errors import ConcurrentChangeError, MustChangePasswordError, SessionRefusedError
from vault_service.domain.ids import RecordId
from vault_service.policy.rules import CollectionRule
from vault_service.sessions.open import Session
from vault_service.storage.errors import ConstraintError
from vault_service.storage.pool import Database
from vault_service.storage.records.changes import Change, Outcome, apply_change
from vault_service.storage.records.sessions import find_live_session

TRIES = 3
"""How often a change begins anew when another one was faster."""


@dataclass(frozen=True, slots=True)
class RecordParts:
    """What the use cases are put together from."""

    db: Database
    collections: Mapping[str, CollectionRule]
    now: Clock = utc_now


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was opened.

    `fields` is the JSON object byte for byte as it was sent. `warnings` accompany the answer to a
    write only: they tell whoever typed the values.
    """

    record: RecordId
    collection: str
    version: int
    created_at: datetime
    updated_at: datetime
    fields: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order in which they were made; `broken` were altered or moved and do not open."""

    items: tuple[Record, ...]
    next_cursor: str | None
    broken: tuple[RecordId, ...] = ()


def demand_own_password(session: Session) -> None:
    """A session begun with a one-time password may add records and nothing else.

    Raises MustChangePasswordError.
    """
    if session.must_change:
        raise MustChangePasswordError


def commit(parts: RecordParts, session: Session, change: Change, now: datetime) -> bool:
    """Make the change; False when another one was faster and nothing was done.

    Raises SessionRefusedError when the session ended in between.
    """
    try:
        outcome = parts.db.run(lambda conn: apply_change(conn, session.key, change, now))
    except ConstraintError:
        # Whoever is erased while the statement runs leaves no user that its rows could belong to.
        if parts.db.run(lambda conn: find_live_session(conn, session.key, now)) is None:
            raise SessionRefusedError from None
        raise
    if outcome is Outcome.SESSION_OVER:
        raise SessionRefusedError
    return outcome is Outcome.DONE


def give_up() -> ConcurrentChangeError:
    """After the last of TRIES."""
    return ConcurrentChangeError("other requests changed the same records each time")
