"""Records under a user's older data keys: read, put under the present one, counted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId, UserId
from vault_service.storage.records.records import RECORD_COLUMNS, StoredRecord
from vault_service.storage.records.sessions import LIVE, LIVE_HELD, SessionKey


@dataclass(frozen=True, slots=True)
class Reencrypted:
    """A record under the present data key: its version stays, since nobody changed it."""

    record: RecordId
    version: int
    was: DekId
    collection_tag: bytes  # 32 bytes
    sealed: bytes = field(repr=False)
    tags: tuple[bytes, ...] = field(repr=False)


_READ: LiteralString = (
    "WITH"
    + LIVE
    + """,
  r AS (
    SELECT record_id, version, dek_id, collection_tag, sealed, created_at, updated_at FROM records
    WHERE user_id = %(user)s AND record_id > %(after)s AND dek_id = ANY(%(deks)s::uuid[])
      AND EXISTS (SELECT FROM s WHERE NOT must_change)
    ORDER BY record_id LIMIT %(limit)s)
  SELECT"""
    + RECORD_COLUMNS
    + "FROM s LEFT JOIN r ON true ORDER BY r.record_id"
)


def read_under(
    conn: Connection,
    key: SessionKey,
    now: datetime,
    *,
    deks: Collection[DekId],
    after: RecordId,
    limit: int,
) -> tuple[StoredRecord, ...] | None:
    """Up to `limit` records under one of these data keys; None without a live session.

    Writes no event: nothing of them is answered, and what becomes of them leaves its own.
    """
    values = key.values(now) | {"deks": list(deks), "after": after, "limit": limit}
    rows = conn.execute(_READ, values, prepare=True).fetchall()
    if not rows:
        return None
    return tuple(StoredRecord(*row) for row in rows if row[0] is not None)


# `held` compares again what a record was read with, behind its lock: what somebody changed, deleted or put
# under the new key meanwhile stays theirs. The tags of a record are all under the data key that it is under.
_MOVE: LiteralString = (
    "WITH"
    + LIVE_HELD
    + """,
  v AS (
    SELECT * FROM unnest(%(records)s::uuid[], %(versions)s::bigint[], %(deks)s::uuid[],
                         %(collection_tags)s::bytea[], %(sealed)s::bytea[])
                  AS v (record_id, version, was, collection_tag, sealed)
    LIMIT cardinality(%(records)s::uuid[])),
  held AS (
    SELECT r.record_id FROM v JOIN records r ON r.user_id = %(user)s AND r.record_id = v.record_id
      AND r.version = v.version AND r.dek_id = v.was
    WHERE EXISTS (SELECT FROM s)
    ORDER BY r.record_id FOR UPDATE OF r),
  moved AS (
    UPDATE records r SET dek_id = %(dek)s, collection_tag = v.collection_tag, sealed = v.sealed
    FROM v JOIN held USING (record_id) WHERE r.user_id = %(user)s AND r.record_id = v.record_id),
  untagged AS (
    DELETE FROM record_tags t USING held WHERE t.user_id = %(user)s AND t.record_id = held.record_id),
  tagged AS (
    INSERT INTO record_tags (user_id, tag, record_id)
    SELECT %(user)s, t.tag, t.record_id
    FROM unnest(%(tags)s::bytea[], %(tagged)s::uuid[]) AS t (tag, record_id) JOIN held USING (record_id)
    ON CONFLICT DO NOTHING),
  e AS (
    INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, unlock_id, n)
    SELECT s.user_id, %(event)s, %(kind)s, %(now)s, s.app_id, s.session_id, s.unlock_id,
           (SELECT count(*) FROM held)
    FROM s WHERE EXISTS (SELECT FROM held)
    ON CONFLICT DO NOTHING)
  SELECT EXISTS (SELECT FROM s), (SELECT count(*) FROM held)"""
)


def put_under(
    conn: Connection,
    key: SessionKey,
    now: datetime,
    *,
    dek: DekId,
    records: Sequence[Reencrypted],
    event: EventId,
) -> int | None:
    """Returns how many are under `dek` by this, with the event; None without a live session.

    May be repeated with the same event: the second time none is left to do.
    """
    values = key.values(now) | {
        "dek": dek,
        "records": [r.record for r in records],
        "versions": [r.version for r in records],
        "deks": [r.was for r in records],
        "collection_tags": [r.collection_tag for r in records],
        "sealed": [r.sealed for r in records],
        "tags": [tag for r in records for tag in r.tags],
        "tagged": [r.record for r in records for _ in r.tags],
        "event": event,
        "kind": int(RecordsEvent.RECORDS_REENCRYPTED),
    }
    row = conn.execute(_MOVE, values, prepare=True).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    alive, moved = row
    return int(moved) if alive else None


def count_under(conn: Connection, user: UserId, deks: Collection[DekId]) -> dict[DekId, int]:
    """How many records are under each of these data keys; those with none are left out.

    Once a session with a newer data key is there this only goes down: see sessions.LIVE_HELD.
    """
    rows = conn.execute(
        """SELECT dek_id, count(*) FROM records WHERE user_id = %(user)s AND dek_id = ANY(%(deks)s::uuid[])
           GROUP BY dek_id""",
        {"user": user, "deks": list(deks)},
    )
    return {DekId(dek): n for dek, n in rows}


def forget_older(conn: Connection, user: UserId, deks: Collection[DekId]) -> int:
    """Take given-up data keys out of the user's sessions; returns out of how many."""
    done = conn.execute(
        """UPDATE sessions SET (older_deks, older_wraps) = (
             SELECT array_agg(o.dek ORDER BY o.n), array_agg(o.wrap ORDER BY o.n)
             FROM unnest(older_deks, older_wraps) WITH ORDINALITY AS o (dek, wrap, n)
             WHERE o.dek <> ALL (%(deks)s::uuid[]))
           WHERE user_id = %(user)s AND older_deks && %(deks)s::uuid[]""",
        {"user": user, "deks": list(deks)},
    )
    return done.rowcount
