"""Everything a user has, as JSON Lines in bounded memory."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from vault_service.domain.events import RecordsEvent
from vault_service.domain.tokens import SessionToken
from vault_service.records.search import open_all, page_rows
from vault_service.records.service import Record, RecordParts, demand_own_password
from vault_service.sessions.open import open_session
from vault_service.storage.records.pages import FIRST

_PAGE = 64  # records, of at most 64 KiB each
# Between the tokens of JSON line breaks are only white space, and inside strings they cannot stand.
_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")


class _Line(msgspec.Struct, frozen=True):
    record_id: UUID
    collection: str
    version: int
    created_at: datetime
    updated_at: datetime
    fields: msgspec.Raw


class _Broken(msgspec.Struct, frozen=True):
    record_id: UUID
    error: str = "integrity"


class _End(msgspec.Struct, frozen=True):
    records: int  # lines before this one
    end: bool = True


def export(parts: RecordParts, token: SessionToken) -> Iterator[bytes]:
    """One line for each record, the event of each page before its lines, and a last line that counts them.

    The session is looked at again for each page: one that ends cuts the stream off before its last
    line. Raises MustChangePasswordError, SessionRefusedError, before the first line or later.
    """
    session = open_session(parts.db, token, parts.now())
    demand_own_password(session)
    after, lines = FIRST, 0
    while True:
        rows = page_rows(parts, session, RecordsEvent.RECORDS_EXPORTED, None, after, _PAGE)
        items, broken = open_all(parts, session, rows[:_PAGE])
        for item in items:
            yield _line(item)
        for record in broken:
            yield msgspec.json.encode(_Broken(record)) + b"\n"
        lines += len(items) + len(broken)
        if len(rows) <= _PAGE:
            break
        after = rows[_PAGE - 1].record
    yield msgspec.json.encode(_End(lines)) + b"\n"


def _line(record: Record) -> bytes:
    line = _Line(
        record.record, record.collection, record.version, record.created_at, record.updated_at,
        msgspec.Raw(record.fields.translate(_ONE_LINE)),
    )  # fmt: skip
    return msgspec.json.encode(line) + b"\n"
