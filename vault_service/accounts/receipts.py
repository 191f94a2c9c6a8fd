"""Receipts: where in the sealed log each access stands, and the proof that leads from it to a checkpoint.

Whoever keeps them can show, against the public keys alone, that an access was logged; and that nobody
may take it out of the log afterwards without the checkpoint giving it away.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import MustChangePasswordError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId
from vault_service.domain.tokens import SessionToken
from vault_service.sessions.open import Session, open_session
from vault_service.storage.audit.proofs import Head, newest_head, prove
from vault_service.storage.records.accesses import BEFORE_ALL, AccessRow, list_accesses_from
from vault_service.storage.records.events import insert_event

_PAGE = 200  # events at a time


@dataclass(frozen=True, slots=True)
class Seal:
    """What shows that an access is in the sealed log."""

    index: int  # which leaf, from 0
    leaf: str  # canonical JSON (RFC 8785)
    proof: tuple[bytes, ...]  # RFC 6962, 2.1.1
    checkpoint: str  # a signed and cosigned note


class _Receipt(msgspec.Struct, frozen=True):
    index: int
    leaf: str
    proof: tuple[bytes, ...]  # base64 in JSON


def seals(
    rows: Sequence[AccessRow], head: Head | None, proofs: Mapping[int, tuple[bytes, ...]]
) -> list[Seal | None]:
    """The seal of each row, None where there is none yet."""
    found: list[Seal | None] = []
    for row in rows:
        index = row.leaf_index
        if head is None or index is None or index not in proofs:
            found.append(None)
        else:
            found.append(Seal(index, row.leaf.decode(), proofs[index], head.note))
    return found


def receipts(parts: AccountParts, token: SessionToken) -> Iterator[bytes]:
    """All receipts of the user as one JSON document, in pieces; the event of each page before it.

    The session is looked at again for each page: one that ends cuts the document off. Raises
    MustChangePasswordError, SessionRefusedError, IntegrityError before the first piece or later.
    """
    with parts.db.connection() as conn:
        head = newest_head(conn)  # the same for all pages: the tree keeps what an older head needs
    shown = unsealed = 0
    own: set[EventId] = set()  # of this very call, met again on its later pages: nobody waits for their seal
    session, rows = _page(parts, token, BEFORE_ALL, own)
    proofs = _proofs(parts, head, rows)
    yield _opening(session, head)
    while True:
        for row, seal in zip(rows, seals(rows, head, proofs), strict=True):
            if seal is None:
                unsealed += row.event not in own
                continue
            yield (b"," if shown else b"") + msgspec.json.encode(_Receipt(seal.index, seal.leaf, seal.proof))
            shown += 1
        if len(rows) < _PAGE:
            break
        _, rows = _page(parts, token, rows[-1].event, own)
        proofs = _proofs(parts, head, rows)
    yield b'],"unsealed":%d}' % unsealed


def _page(
    parts: AccountParts, token: SessionToken, after: EventId, own: set[EventId]
) -> tuple[Session, tuple[AccessRow, ...]]:
    session = open_session(parts.db, token, parts.now())
    if session.must_change:
        raise MustChangePasswordError
    with parts.db.transaction() as conn:
        rows = list_accesses_from(conn, session.user, after=after, limit=_PAGE)
        event = insert_event(
            conn,
            user=session.user,
            kind=RecordsEvent.ACCESSES_READ,
            at=parts.now(),
            app=session.app,
            session=session.session,
            unlock=session.unlock,
            n=len(rows),
        )
    own.add(event)
    return session, rows


def _proofs(
    parts: AccountParts, head: Head | None, rows: Sequence[AccessRow]
) -> dict[int, tuple[bytes, ...]]:
    with parts.db.connection() as conn:
        return prove(conn, head, [row.leaf_index for row in rows])


def _opening(session: Session, head: Head | None) -> bytes:
    note = None if head is None else head.note
    begin = {"v": 1, "log": "records", "user_id": session.user, "checkpoint": note}
    return msgspec.json.encode(begin)[:-1] + b',"receipts":['
