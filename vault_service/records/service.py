"""What every use case on records needs and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.errors import ConcurrentChangeError, MustChangePasswordError, SessionRefusedError
from vault_service.domain.ids import RecordId
from vault_service.policy.rules import CollectionRule
from vault_service.sessions.open import Session
from vault_service.storage.errors import ConstraintError
from vault_service.storage.patience import patient_alone
from vault_service.storage.pool import Conn, Database
from vault_service.storage.records.changes import Change, Outcome, apply_change
from vault_service.storage.records.sessions import find_live_session

TRIES = 3
"""How often a change begins anew when another one was faster."""

# What a role's second is enough for on a busy machine, and so each further second. A batch may hold a
# thousand operations in 16 MiB, and must not fail where each of its records alone would be kept.
_RECORDS_A_SECOND = 100
_BYTES_A_SECOND = 1_048_576

T = TypeVar("T")


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


def run_for(db: Database, work: Callable[[Conn], T], *, records: int, sealed_bytes: int = 0) -> T:
    """Run one statement about so many records, with more time than usual if they are many or large."""
    seconds = max(records // _RECORDS_A_SECOND, sealed_bytes // _BYTES_A_SECOND)
    if seconds == 0:
        return db.run(work)

    def patiently(conn: Conn) -> T:
        with patient_alone(conn, 1 + seconds):
            return work(conn)

    return db.run(patiently)


def commit(parts: RecordParts, session: Session, change: Change, now: datetime) -> bool:
    """Make the change; False when another one was faster and nothing was done.

    Raises SessionRefusedError when the session ended in between.
    """
    try:
        outcome = run_for(
            parts.db,
            lambda conn: apply_change(conn, session.key, change, now),
            records=len(change.events),
            sealed_bytes=change.sealed_bytes,
        )
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
