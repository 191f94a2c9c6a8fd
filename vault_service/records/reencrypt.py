"""Put a user's records under the present data key, a batch at a time, while they are read and written.

Each batch is one statement that compares what every record was read with. What somebody changed meanwhile is
under the present key already, since nothing is written under an older one any more. So it can stop after any
batch and go on in another session, and two sessions at it at once do each other no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass

from vault_service.crypto.dek import Dek
from vault_service.domain.errors import InvalidInputError, SealBrokenError, SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId, new_uuid
from vault_service.records.codec import Content, open_stored
from vault_service.records.draft import Draft, check_draft
from vault_service.records.refusals import report
from vault_service.records.service import RecordParts, T
from vault_service.sessions.open import Session
from vault_service.storage.patience import patient_alone
from vault_service.storage.pool import Conn
from vault_service.storage.records.changes import Replaced
from vault_service.storage.records.pages import FIRST
from vault_service.storage.records.records import StoredRecord
from vault_service.storage.records.reencrypt import Reencrypted, count_under, put_under, read_under


@dataclass(frozen=True, slots=True)
class Progress:
    """What is still under older data keys."""

    remaining: int  # records to be re-encrypted
    unreadable: int  # those that do not open; they stay as they are until their user deletes them
    free: tuple[DekId, ...]  # older data keys that no record is under any more


def reencrypt(
    parts: RecordParts, session: Session, *, batch: int, limit: int, patience_s: int = 0
) -> Progress:
    """Re-encrypt about `limit` records, in batches of `batch`. Raises SessionRefusedError.

    `patience_s`: seconds that each look for what is left may take, which goes through all of the user's
    records; 0: as long as any statement of a request.
    """
    older = {key.dek for key in session.keys.older}
    after, done, unreadable = FIRST, 0, 0
    while older and done < limit:
        rows = _next(parts, session, after, min(batch, limit - done), patience_s)
        if not rows:
            break
        after = rows[-1].record
        opened, broken = _opened(session, rows)
        if broken:
            report(parts, session, RecordsEvent.RECORD_INTEGRITY_FAILED, broken)
            unreadable += len(broken)
        if opened:
            done += _put(parts, session, [_sealed(parts, session.dek, *each) for each in opened])
    left = _look(parts, lambda conn: count_under(conn, session.user, older), patience_s)
    return Progress(
        sum(left.values()) - unreadable, unreadable, tuple(dek for dek in older if dek not in left)
    )


def _look(parts: RecordParts, work: Callable[[Conn], T], patience_s: int) -> T:
    def patiently(conn: Conn) -> T:
        with patient_alone(conn, patience_s):
            return work(conn)

    return parts.db.run(patiently if patience_s else work)


def _next(
    parts: RecordParts, session: Session, after: RecordId, limit: int, patience_s: int
) -> tuple[StoredRecord, ...]:
    deks, now = [key.dek for key in session.keys.older], parts.now()
    rows = _look(
        parts,
        lambda conn: read_under(conn, session.key, now, deks=deks, after=after, limit=limit),
        patience_s,
    )
    if rows is None:
        raise SessionRefusedError
    return rows


def _opened(
    session: Session, rows: tuple[StoredRecord, ...]
) -> tuple[list[tuple[StoredRecord, Content]], list[RecordId]]:
    opened: list[tuple[StoredRecord, Content]] = []
    broken: list[RecordId] = []
    for row in rows:
        try:
            opened.append((row, open_stored(session.keys, row)))
        except SealBrokenError:
            broken.append(row.record)
    return opened, broken


def _sealed(parts: RecordParts, dek: Dek, row: StoredRecord, content: Content) -> Reencrypted:
    try:
        draft = check_draft(parts.collections, content.collection, content.fields)
    except InvalidInputError:
        # The collection's rule is another one since it was written. It is kept; no search finds it as it is.
        draft = Draft(content, {}, ())
    new = draft.seal(dek, row.record, version=row.version, replaces=Replaced(row.version, row.dek))
    return Reencrypted(row.record, row.version, row.dek, new.collection_tag, new.sealed, new.tags)


def _put(parts: RecordParts, session: Session, records: list[Reencrypted]) -> int:
    event, now = EventId(new_uuid()), parts.now()
    moved = parts.db.run(
        lambda conn: put_under(conn, session.key, now, dek=session.dek.dek, records=records, event=event)
    )
    if moved is None:
        raise SessionRefusedError
    return moved
