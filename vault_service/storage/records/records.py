"""Records as ciphertext: read one with its event, or load several for a change."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId
from vault_service.storage.records.sessions import LIVE, LIVE_COLUMNS, LIVE_WIDTH, LiveSession, SessionKey

RECORD_COLUMNS: LiteralString = """
  r.record_id, r.version, r.dek_id, r.collection_tag, r.sealed, r.created_at, r.updated_at
"""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """RECORD_COLUMNS: one row, unopened."""

    record: RecordId
    version: int
    dek: DekId
    collection_tag: bytes  # 32 bytes
    sealed: bytes | None = field(repr=False)  # None: beyond what one request loads
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What a request with the same Idempotency-Key left."""

    body_mac: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    dek: DekId | None  # None: kept by an older version of this program


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a change begins with."""

    session: LiveSession
    answer: StoredAnswer | None
    records: dict[RecordId, StoredRecord]


_READ: LiteralString = (
    "WITH"
    + LIVE
    + """,
  r AS (
    SELECT record_id, version, dek_id, collection_tag, sealed, created_at, updated_at FROM records
    WHERE user_id = %(user)s AND record_id = %(record)s AND EXISTS (SELECT FROM s WHERE NOT must_change)),
  e AS (
    INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id)
    SELECT s.user_id, %(event)s, CASE WHEN r.record_id IS NULL THEN %(missing)s ELSE %(read)s END::smallint,
           %(now)s, s.app_id, s.session_id, s.unlock_id, %(record)s
    FROM s LEFT JOIN r ON true WHERE NOT s.must_change
    ON CONFLICT DO NOTHING)
  SELECT"""
    + LIVE_COLUMNS
    + ","
    + RECORD_COLUMNS
    + "FROM s LEFT JOIN r ON true"
)


def read_record(
    conn: Connection, key: SessionKey, record: RecordId, event: EventId, now: datetime
) -> tuple[LiveSession, StoredRecord | None] | None:
    """The session and its user's record, and the event of the reading, in one statement.

    None without a live session; no record (nor event) for a session that must change its password.
    May be repeated with the same event.
    """
    values = key.values(now) | {
        "record": record,
        "event": event,
        "read": int(RecordsEvent.RECORD_READ),
        "missing": int(RecordsEvent.RECORD_READ_MISSING),
    }
    row = conn.execute(_READ, values, prepare=True).fetchone()
    if row is None:
        return None
    found = StoredRecord(*row[LIVE_WIDTH:]) if row[LIVE_WIDTH] is not None else None
    return LiveSession(*row[:LIVE_WIDTH]), found


# LIMIT as many as there are: see changes.py.
_ASKED: LiteralString = """
    FROM (SELECT * FROM unnest(%(records)s::uuid[]) WITH ORDINALITY LIMIT cardinality(%(records)s::uuid[]))
         AS asked (record_id, place)
    JOIN records r ON r.user_id = %(user)s AND r.record_id = asked.record_id
    WHERE EXISTS (SELECT FROM s WHERE NOT must_change))
  SELECT"""
_LOADED: LiteralString = (
    LIVE_COLUMNS
    + ", i.body_mac, i.answer, i.dek_id,"
    + RECORD_COLUMNS
    + """
  FROM s LEFT JOIN r ON true
  LEFT JOIN idempotency i ON i.user_id = s.user_id AND i.key_hash = %(key_hash)s::bytea"""
)
_LOAD: LiteralString = (
    "WITH"
    + LIVE
    + """,
  r AS (
    SELECT r.record_id, version, dek_id, collection_tag, sealed, created_at, updated_at"""
    + _ASKED
    + _LOADED
)
# The length is known without the value, which PostgreSQL keeps elsewhere and does not fetch here.
_LOAD_BOUNDED: LiteralString = (
    "WITH"
    + LIVE
    + """,
  r AS (
    SELECT r.record_id, version, dek_id, collection_tag,
           CASE WHEN sum(octet_length(sealed)) OVER (ORDER BY asked.place) <= %(most_bytes)s
                THEN sealed END AS sealed,
           created_at, updated_at"""
    + _ASKED
    + _LOADED
)


def load_for_change(
    conn: Connection,
    key: SessionKey,
    now: datetime,
    *,
    records: Sequence[RecordId] = (),
    key_hash: bytes | None = None,
    most_bytes: int | None = None,
) -> Loaded | None:
    """The session, what its user's records are now, and what a twin of the request left.

    `most_bytes`: of ciphertext, in the order in which the records are named; those behind come without it.
    Writes no event: nothing of it may be answered before the change's own. None without a live session.
    """
    values = key.values(now) | {"records": list(records), "key_hash": key_hash}
    if most_bytes is None:
        rows = conn.execute(_LOAD, values, prepare=True).fetchall()
    else:
        rows = conn.execute(_LOAD_BOUNDED, values | {"most_bytes": most_bytes}, prepare=True).fetchall()
    if not rows:
        return None
    at = LIVE_WIDTH
    first = rows[0]
    found = [StoredRecord(*row[at + 3 :]) for row in rows if row[at + 3] is not None]
    return Loaded(
        LiveSession(*first[:at]),
        StoredAnswer(*first[at : at + 3]) if first[at] is not None else None,
        {stored.record: stored for stored in found},
    )
