"""Who touched my data: the subject reads the trail."""

from dataclasses import dataclass
from datetime import datetime

from vault_service.accounts.receipts import Seal, seals
from vault_service.accounts.service import Account, AccountParts
from vault_service.domain.cursors import format_cursor, parse_cursor
from vault_service.domain.errors import MustChangePasswordError, SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId, SessionId
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.open import open_session
from vault_service.storage.audit.proofs import newest_head, prove
from vault_service.storage.records.accesses import list_accesses
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.users import find_created_at


@dataclass(frozen=True, slots=True)
class Access:
    """One event about the user's data."""

    at: datetime
    what: str  # the event's kind in lower case
    app: str | None
    session_id: SessionId | None
    record_id: RecordId | None
    n: int
    seal: Seal | None  # None while it is too young to be in a checkpoint


@dataclass(frozen=True, slots=True)
class AccessPage:
    """Newest first."""

    items: tuple[Access, ...]
    next_cursor: str | None


def accesses(parts: AccountParts, token: SessionToken, limit: int, cursor: str | None) -> AccessPage:
    """One page; looking is an access too, and is recorded first.

    Raises MustChangePasswordError, SessionRefusedError, IntegrityError for a sealed log that was altered.
    """
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    before = EventId(parse_cursor(cursor)) if cursor is not None else None
    with parts.db.transaction() as conn:
        rows = list_accesses(conn, session.user, before=before, limit=limit + 1)
        head = newest_head(conn)
        proofs = prove(conn, head, [row.leaf_index for row in rows[:limit]])
        insert_event(
            conn, user=session.user, kind=RecordsEvent.ACCESSES_READ, at=parts.now(), app=session.app,
            session=session.session, unlock=session.unlock, n=min(len(rows), limit),
        )  # fmt: skip
    shown = rows[:limit]
    return AccessPage(
        tuple(
            Access(r.at, r.what, r.app_name, r.session, r.record, r.n, seal)
            for r, seal in zip(shown, seals(shown, head, proofs), strict=True)
        ),
        format_cursor(shown[-1].event) if len(rows) > limit else None,
    )


def account(parts: AccountParts, token: SessionToken) -> Account:
    """The signed-in user's account."""
    session = open_session(parts.db, token, parts.now())
    with parts.db.connection() as conn:
        created_at = find_created_at(conn, session.user)
    if created_at is None:
        raise SessionRefusedError  # erased in between
    return Account(session.user, created_at, session.session, session.must_change)
