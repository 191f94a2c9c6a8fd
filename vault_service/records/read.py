"""Read one record: session, row and event in one statement, then decrypt."""

from vault_service.domain.errors import RecordNotFoundError, SessionRefusedError
from vault_service.domain.ids import EventId, RecordId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.records.codec import Content
from vault_service.records.refusals import open_or_report
from vault_service.records.service import Record, RecordParts, demand_own_password
from vault_service.sessions.open import session_key, unwrap_session
from vault_service.storage.records.records import StoredRecord, read_record


def read(parts: RecordParts, token: SessionToken, record: RecordId) -> Record:
    """Raises RecordNotFoundError (its event is committed, too), IntegrityError, SessionRefusedError."""
    key, event, now = session_key(token), EventId(new_uuid()), parts.now()
    row = parts.db.run(lambda conn: read_record(conn, key, record, event, now))
    if row is None:
        raise SessionRefusedError
    live, stored = row
    session = unwrap_session(parts.db, token, live, now)
    demand_own_password(session)
    if stored is None:
        raise RecordNotFoundError
    return shown(stored, open_or_report(parts, session, stored))


def shown(stored: StoredRecord, content: Content) -> Record:
    """A row and what was in it."""
    return Record(
        stored.record,
        content.collection,
        stored.version,
        stored.created_at,
        stored.updated_at,
        content.fields,
    )
