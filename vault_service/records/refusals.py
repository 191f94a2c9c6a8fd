"""Refusals that are evidence: the event is committed first, then the error is raised."""

from collections.abc import Sequence

from vault_service.domain.errors import IntegrityError, RecordNotFoundError, SealBrokenError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import RecordId
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.records.codec import Content, open_stored
from vault_service.records.service import RecordParts
from vault_service.sessions.open import Session
from vault_service.storage.records.events import insert_record_events
from vault_service.storage.records.records import StoredRecord


def report(parts: RecordParts, session: Session, kind: RecordsEvent, records: Sequence[RecordId]) -> None:
    """Commit one event for each record."""
    with parts.db.connection() as conn:
        insert_record_events(
            conn, user=session.user, at=parts.now(), app=session.app, session=session.session,
            unlock=session.unlock, kind=kind, records=records,
        )  # fmt: skip


def missing(parts: RecordParts, session: Session, record: RecordId) -> RecordNotFoundError:
    """To raise when a record is not there, or is somebody else's."""
    report(parts, session, RecordsEvent.RECORD_READ_MISSING, [record])
    return RecordNotFoundError()


def open_or_report(parts: RecordParts, session: Session, stored: StoredRecord) -> Content:
    """The record's content. Raises IntegrityError or DataKeyGoneError after its event."""
    try:
        return open_stored(session.keys, stored)
    except (SealBrokenError, DataKeyGoneError) as error:
        refusal = IntegrityError() if isinstance(error, SealBrokenError) else error
    report(parts, session, RecordsEvent.RECORD_INTEGRITY_FAILED, [stored.record])
    raise refusal
