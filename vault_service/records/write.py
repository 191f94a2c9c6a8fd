"""Write one record: load with the session, seal, then one statement that does all of it or nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime

from vault_service.domain.contexts import length_prefixed
from vault_service.domain.errors import PreconditionFailedError, SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.records.answers import Request, Step, Written, hash_key, keep, recall
from vault_service.records.codec import Content
from vault_service.records.draft import Draft, check_draft
from vault_service.records.merge_patch import merge_patch
from vault_service.records.refusals import missing, open_or_report
from vault_service.records.service import (
    TRIES,
    Record,
    RecordParts,
    commit,
    demand_own_password,
    give_up,
    run_for,
)
from vault_service.records.strict_json import check_raw
from vault_service.sessions.open import Session, session_key, unwrap_session
from vault_service.storage.records.changes import Change, RecordEvent, Removal, Replaced
from vault_service.storage.records.records import Loaded, StoredRecord, load_for_change


def begin_change(
    parts: RecordParts,
    token: SessionToken,
    now: datetime,
    *,
    records: Sequence[RecordId] = (),
    key_hash: bytes | None = None,
    most_bytes: int | None = None,
) -> tuple[Session, Loaded]:
    """The session and what a change is made from, in one statement. Raises SessionRefusedError."""
    key = session_key(token)
    loaded = run_for(
        parts.db,
        lambda conn: load_for_change(
            conn, key, now, records=records, key_hash=key_hash, most_bytes=most_bytes
        ),
        records=len(records),
    )
    if loaded is None:
        raise SessionRefusedError
    return unwrap_session(parts.db, token, loaded.session, now), loaded


def create(
    parts: RecordParts, token: SessionToken, collection: str, fields: bytes, idempotency_key: str | None
) -> tuple[Record, bool]:
    """Store a new record; also tells whether this is the answer to an earlier, equal request.

    Raises InvalidInputError, MalformedJsonError, BodyTooLargeError, IdempotencyConflictError.
    """
    key_hash = hash_key(idempotency_key)
    record = RecordId(new_uuid())  # chosen once: if the connection breaks, nothing is stored twice
    for _ in range(TRIES):
        now = parts.now()
        session, loaded = begin_change(parts, token, now, key_hash=key_hash)
        draft = check_draft(parts.collections, collection, fields)
        request = None
        if key_hash is not None:
            asked = length_prefixed(collection.encode()) + length_prefixed(fields)
            request = Request(key_hash, b"records.create", asked)
            if loaded.answer is not None:
                (step,) = recall(parts, session, request, loaded.answer)
                return replayed(step, draft), True
        change = Change(
            session.dek.dek,
            (RecordEvent(RecordsEvent.RECORD_CREATED, record),),
            versions=(draft.seal(session.dek, record, version=1, replaces=None),),
            once=keep(session, request, [Step(Written(record, collection, 1, now, now))]),
        )
        if commit(parts, session, change, now):
            return written_record(record, draft, 1, now, now), False
    raise give_up()


def replayed(step: Step, draft: Draft) -> Record:
    """The first answer again: its fields are those of the retry, which are the same."""
    first = step.written
    assert first is not None, "kept with every record that was written"
    return written_record(RecordId(first.record), draft, first.version, first.created_at, first.updated_at)


def replace(
    parts: RecordParts, token: SessionToken, record: RecordId, fields: bytes, if_version: int | None
) -> Record:
    """Put other fields in place of all.

    Raises RecordNotFoundError, IntegrityError, InvalidInputError; with `if_version`
    PreconditionFailedError when the record has another version, without it ConcurrentChangeError
    when others were faster each time.
    """
    return _update(parts, token, record, if_version, lambda _: fields)


def patch(
    parts: RecordParts, token: SessionToken, record: RecordId, patch_raw: bytes, if_version: int | None
) -> Record:
    """Change some fields (RFC 7396); all others keep their bytes. Raises as `replace` does."""

    def merged(content: Content) -> bytes:
        check_raw(patch_raw, part="fields")
        return merge_patch(content.fields, patch_raw)

    return _update(parts, token, record, if_version, merged)


def _update(
    parts: RecordParts,
    token: SessionToken,
    record: RecordId,
    if_version: int | None,
    make: Callable[[Content], bytes],
) -> Record:
    for _ in range(TRIES):
        now = parts.now()
        session, loaded = begin_change(parts, token, now, records=[record])
        demand_own_password(session)
        stored = _current(parts, session, loaded, record, if_version)
        content = open_or_report(parts, session, stored)
        draft = check_draft(parts.collections, content.collection, make(content))
        version, replaced = stored.version + 1, Replaced(stored.version, stored.dek)
        change = Change(
            session.dek.dek,
            (RecordEvent(RecordsEvent.RECORD_UPDATED, record),),
            versions=(draft.seal(session.dek, record, version=version, replaces=replaced),),
        )
        if commit(parts, session, change, now):
            return written_record(record, draft, version, stored.created_at, now)
    raise give_up()


def _current(
    parts: RecordParts, session: Session, loaded: Loaded, record: RecordId, if_version: int | None
) -> StoredRecord:
    stored = loaded.records.get(record)
    if stored is None:
        raise missing(parts, session, record)
    if if_version is not None and stored.version != if_version:
        raise PreconditionFailedError
    return stored


def delete(parts: RecordParts, token: SessionToken, record: RecordId, if_version: int | None) -> None:
    """Delete a record, also one that does not open any more.

    Raises RecordNotFoundError, PreconditionFailedError, ConcurrentChangeError.
    """
    for _ in range(TRIES):
        now = parts.now()
        session, loaded = begin_change(parts, token, now, records=[record])
        demand_own_password(session)
        _current(parts, session, loaded, record, if_version)
        change = Change(
            session.dek.dek,
            (RecordEvent(RecordsEvent.RECORD_DELETED, record),),
            removals=(Removal(record, if_version),),
        )
        if commit(parts, session, change, now):
            return
    raise give_up()


def written_record(
    record: RecordId, draft: Draft, version: int, created_at: datetime, updated_at: datetime
) -> Record:
    """The answer to a write."""
    content = draft.content
    return Record(record, content.collection, version, created_at, updated_at, content.fields, draft.warnings)
