"""Lists and exact searches: pages in the order in which the records were made."""

from collections.abc import Iterable, Sequence

from vault_service.domain.cursors import format_cursor, parse_cursor
from vault_service.domain.errors import InvalidInputError, SealBrokenError, SessionRefusedError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId, new_uuid
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.domain.tokens import SessionToken
from vault_service.records.codec import open_stored
from vault_service.records.conditions import Search, parse_search
from vault_service.records.draft import rule_of
from vault_service.records.read import shown
from vault_service.records.refusals import report
from vault_service.records.service import Page, Record, RecordParts, demand_own_password
from vault_service.sessions.open import Session, open_session
from vault_service.storage.records.pages import FIRST, read_page, search_page
from vault_service.storage.records.records import StoredRecord

MAX_LIMIT = 200


def find(
    parts: RecordParts,
    token: SessionToken,
    *,
    collection: str | None,
    where: Sequence[tuple[str, str]],
    limit: int,
    cursor: str | None,
) -> Page:
    """A page of all records, of a collection, or of those that hold exact values.

    Raises InvalidInputError, SessionRefusedError. A record that does not open is named in the page,
    after its event, and does not hold up the others.
    """
    session = open_session(parts.db, token, parts.now())
    demand_own_password(session)
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInputError("limit", f"not 1 to {MAX_LIMIT}")
    after = RecordId(parse_cursor(cursor)) if cursor is not None else FIRST
    search = parse_search(parts.collections, collection, where) if where else None
    if search is not None:
        rows = _search_rows(parts, session, search, after, limit)
    else:
        if collection is not None:
            rule_of(parts.collections, collection)
        rows = page_rows(parts, session, RecordsEvent.RECORDS_LISTED, collection, after, limit)
    items, broken = open_all(parts, session, rows[:limit], search)
    return Page(items, format_cursor(rows[limit - 1].record) if len(rows) > limit else None, broken)


def page_rows(
    parts: RecordParts,
    session: Session,
    kind: RecordsEvent,
    collection: str | None,
    after: RecordId,
    limit: int,
) -> tuple[StoredRecord, ...]:
    """One more row than `limit` if there is one; the event is committed with it."""
    event, now = EventId(new_uuid()), parts.now()
    tags = () if collection is None else [key.collection_tag(collection) for key in session.keys.every]
    rows = parts.db.run(
        lambda conn: read_page(
            conn, session.key, now, kind=kind, event=event, collection_tags=tags, after=after, limit=limit
        )
    )
    return _alive(rows)


def _search_rows(
    parts: RecordParts, session: Session, search: Search, after: RecordId, limit: int
) -> tuple[StoredRecord, ...]:
    event, now, tags = EventId(new_uuid()), parts.now(), search.tags(session.keys)
    rows = parts.db.run(
        lambda conn: search_page(conn, session.key, now, event=event, tags=tags, after=after, limit=limit)
    )
    return _alive(rows)


def _alive(rows: tuple[StoredRecord, ...] | None) -> tuple[StoredRecord, ...]:
    if rows is None:  # the session ended in between
        raise SessionRefusedError
    return rows


def open_all(
    parts: RecordParts, session: Session, rows: Iterable[StoredRecord], search: Search | None = None
) -> tuple[tuple[Record, ...], tuple[RecordId, ...]]:
    """What opens, and what does not. What the index led to wrongly is left out, but not without an event."""
    items: list[Record] = []
    broken: list[RecordId] = []
    wrong: list[RecordId] = []
    for row in rows:
        try:
            content = open_stored(session.keys, row)
        except (SealBrokenError, DataKeyGoneError):
            broken.append(row.record)
            continue
        if search is not None and not search.fits(content):
            wrong.append(row.record)
            continue
        items.append(shown(row, content))
    if broken or wrong:
        report(parts, session, RecordsEvent.RECORD_INTEGRITY_FAILED, broken + wrong)
    return tuple(items), tuple(broken)
