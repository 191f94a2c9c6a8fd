"""Pages of records in the order of their ids, which is that of their making; each with its event."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import EventId, RecordId
from vault_service.storage.records.records import RECORD_COLUMNS, StoredRecord
from vault_service.storage.records.sessions import LIVE, SessionKey

FIRST = RecordId(UUID(int=0))
"""Before every record."""

_WITH_PAGE: LiteralString = (
    "WITH"
    + LIVE
    + """,
  r AS (
    SELECT r.record_id, r.version, r.dek_id, r.collection_tag, r.sealed, r.created_at, r.updated_at
"""
)
# The event says how many were shown: the row beyond the page only tells that there is another.
_TAKE: LiteralString = (
    """
    ORDER BY r.record_id LIMIT %(limit)s + 1),
  e AS (
    INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, unlock_id, n)
    SELECT s.user_id, %(event)s, %(kind)s, %(now)s, s.app_id, s.session_id, s.unlock_id,
           (SELECT least(count(*), %(limit)s) FROM r)
    FROM s WHERE NOT s.must_change
    ON CONFLICT DO NOTHING)
  SELECT"""
    + RECORD_COLUMNS
    + "FROM s LEFT JOIN r ON true ORDER BY r.record_id"
)
_MINE: LiteralString = """
    WHERE r.user_id = %(user)s AND r.record_id > %(after)s AND EXISTS (SELECT FROM s WHERE NOT must_change)
"""
_ALL: LiteralString = _WITH_PAGE + "FROM records r" + _MINE + _TAKE
_COLLECTION: LiteralString = (
    _WITH_PAGE + "FROM records r" + _MINE + "AND r.collection_tag = %(collection_tag)s" + _TAKE
)
# While records are under several data keys, a collection has a tag under each.
_COLLECTION_UNDER_SEVERAL: LiteralString = (
    _WITH_PAGE + "FROM records r" + _MINE + "AND r.collection_tag = ANY(%(collection_tags)s::bytea[])" + _TAKE
)


def read_page(
    conn: Connection,
    key: SessionKey,
    now: datetime,
    *,
    kind: RecordsEvent,
    event: EventId,
    collection_tags: Sequence[bytes],
    after: RecordId,
    limit: int,
) -> tuple[StoredRecord, ...] | None:
    """Up to `limit` + 1 records after one, of a collection or of all; None without a live session.

    `collection_tags`: the collection's under each data key; none for all collections.
    """
    values = key.values(now) | {"kind": int(kind), "event": event, "after": after, "limit": limit}
    if not collection_tags:
        return _page(conn, _ALL, values)
    if len(collection_tags) == 1:
        return _page(conn, _COLLECTION, values | {"collection_tag": collection_tags[0]})
    return _page(conn, _COLLECTION_UNDER_SEVERAL, values | {"collection_tags": list(collection_tags)})


def _page(
    conn: Connection, statement: LiteralString, values: dict[str, Any]
) -> tuple[StoredRecord, ...] | None:
    rows = conn.execute(statement, values, prepare=True).fetchall()
    if not rows:
        return None
    return tuple(StoredRecord(*row) for row in rows if row[0] is not None)


_TAGGED: LiteralString = (
    _WITH_PAGE
    + """FROM record_tags t JOIN records r USING (user_id, record_id)"""
    + _MINE
    + """
      AND t.user_id = %(user)s AND t.tag = %(first)s AND t.record_id > %(after)s
      AND (SELECT count(*) FROM record_tags o
           WHERE o.user_id = t.user_id AND o.record_id = t.record_id AND o.tag = ANY(%(tags)s::bytea[]))
          = cardinality(%(tags)s::bytea[])
"""
    + _TAKE
)
# A record and its tags are under one data key, so that as many tags as were asked for are all of one. All are
# looked up one by one (LATERAL … OFFSET, LIMIT): else the planner may walk through whatever there is.
_TAGGED_UNDER_SEVERAL: LiteralString = (
    _WITH_PAGE
    + """FROM (
        SELECT t.record_id FROM unnest(%(tags)s::bytea[]) AS asked (tag) CROSS JOIN LATERAL (
          SELECT record_id FROM record_tags
          WHERE user_id = %(user)s AND tag = asked.tag AND record_id > %(after)s OFFSET 0) t
        GROUP BY t.record_id HAVING count(*) = %(wanted)s ORDER BY t.record_id LIMIT %(limit)s + 1) t
      CROSS JOIN LATERAL (
        SELECT * FROM records WHERE user_id = %(user)s AND record_id = t.record_id LIMIT 1) r
"""
    + _MINE
    + _TAKE
)


def search_page(
    conn: Connection,
    key: SessionKey,
    now: datetime,
    *,
    event: EventId,
    tags: Sequence[Sequence[bytes]],
    after: RecordId,
    limit: int,
) -> tuple[StoredRecord, ...] | None:
    """Up to `limit` + 1 records that have all of these distinct tags; None without a live session.

    `tags`: under each data key as many.
    """
    values = key.values(now) | {
        "kind": int(RecordsEvent.RECORDS_SEARCHED),
        "event": event,
        "after": after,
        "limit": limit,
    }
    if len(tags) == 1:
        return _page(conn, _TAGGED, values | {"first": tags[0][0], "tags": list(tags[0])})
    every = [tag for under_one in tags for tag in under_one]
    return _page(conn, _TAGGED_UNDER_SEVERAL, values | {"tags": every, "wanted": len(tags[0])})
