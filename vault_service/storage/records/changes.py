"""One change to a user's records: everything it does, with its events, in one statement or not at all.

The statement looks again whether the session is alive, takes the idempotency row, and compares the
version of every record that it touches; if one thing is not as the change expects, nothing happens.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import DekId, EventId, RecordId, new_uuid
from vault_service.storage.records.sessions import LIVE_HELD, SessionKey


@dataclass(frozen=True, slots=True)
class Replaced:
    """A stored record as a change was made from it. A re-encryption leaves its version as it was."""

    version: int
    dek: DekId


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A sealed record that is to be stored; `replaces` is None for a new record."""

    record: RecordId
    version: int
    replaces: Replaced | None
    collection_tag: bytes
    sealed: bytes = field(repr=False)
    tags: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Removal:
    """A record that is to go; `version` is None for whatever version it has."""

    record: RecordId
    version: int | None


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """What the trail will say."""

    kind: RecordsEvent
    record: RecordId
    event: EventId = field(default_factory=lambda: EventId(new_uuid()))


@dataclass(frozen=True, slots=True)
class Once:
    """Takes the Idempotency-Key, and keeps what a retry will need."""

    key_hash: bytes  # 32 bytes
    body_mac: bytes = field(repr=False)  # 32 bytes
    answer: bytes = field(repr=False)  # sealed under the user's DEK


@dataclass(frozen=True, slots=True)
class Change:
    """All of it; every record appears at most once among versions and removals."""

    dek: DekId
    events: tuple[RecordEvent, ...]  # at least one
    versions: tuple[NewVersion, ...] = ()
    removals: tuple[Removal, ...] = ()
    once: Once | None = None

    @property
    def sealed_bytes(self) -> int:
        """How much ciphertext it writes."""
        return sum(len(version.sealed) for version in self.versions)


class Outcome(Enum):
    """What became of a change."""

    DONE = auto()
    SESSION_OVER = auto()
    OVERTAKEN = auto()  # a record has another version or is gone, or the Idempotency-Key is taken


# `done`: the connection broke after a commit, and the statement is sent again: its event is there.
# `held` locks in the order of ids, so that two changes cannot wait for one another.
# LIMIT as many as there are: the planner expects one row then, not ten, and looks each record up by its
# key; else it may walk through all that a user has, which may be a hundred thousand.
# `held` compares the data key as well: `untagged` would not see the tags that a re-encryption has left since
# the statement began, and they would go on leading to a record that does not hold those values any more.
_APPLY: LiteralString = (
    "WITH"
    + LIVE_HELD
    + """,
  done AS (SELECT FROM audit_events WHERE user_id = %(user)s AND event_id = (%(events)s::uuid[])[1]),
  held AS (
    SELECT r.record_id
    FROM (SELECT * FROM unnest(%(old_records)s::uuid[], %(old_versions)s::bigint[], %(old_deks)s::uuid[])
          LIMIT cardinality(%(old_records)s::uuid[])) AS o (record_id, version, dek_id)
    JOIN records r ON r.user_id = %(user)s AND r.record_id = o.record_id
      AND r.version = coalesce(o.version, r.version) AND r.dek_id = coalesce(o.dek_id, r.dek_id)
    WHERE EXISTS (SELECT FROM s)
    ORDER BY r.record_id FOR UPDATE OF r),
  ready AS (
    SELECT s.user_id, s.session_id, s.app_id, s.unlock_id FROM s
    WHERE NOT EXISTS (SELECT FROM done)
      AND (SELECT count(*) FROM held) = cardinality(%(old_records)s::uuid[])),
  i AS (
    INSERT INTO idempotency (user_id, key_hash, body_mac, answer, created_at, dek_id)
    SELECT user_id, %(key_hash)s::bytea, %(body_mac)s::bytea, %(answer)s::bytea, %(now)s, %(dek)s FROM ready
    WHERE %(key_hash)s::bytea IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING user_id),
  go AS (
    SELECT user_id, session_id, app_id, unlock_id FROM ready
    WHERE %(key_hash)s::bytea IS NULL OR EXISTS (SELECT FROM i)),
  v AS (
    SELECT go.user_id, v.record_id, v.version, v.replaces, v.collection_tag, v.sealed
    FROM go, unnest(%(records)s::uuid[], %(versions)s::bigint[], %(replaced)s::bigint[],
                    %(collection_tags)s::bytea[], %(sealed)s::bytea[])
             AS v (record_id, version, replaces, collection_tag, sealed)
    LIMIT cardinality(%(records)s::uuid[])),
  created AS (
    INSERT INTO records (user_id, record_id, version, dek_id, collection_tag, sealed, created_at, updated_at)
    SELECT user_id, record_id, version, %(dek)s, collection_tag, sealed, %(now)s, %(now)s
    FROM v WHERE replaces IS NULL
    ON CONFLICT DO NOTHING),
  updated AS (
    UPDATE records r SET version = v.version, dek_id = %(dek)s, collection_tag = v.collection_tag,
                         sealed = v.sealed, updated_at = %(now)s
    FROM v WHERE r.user_id = v.user_id AND r.record_id = v.record_id AND v.replaces IS NOT NULL),
  deleted AS (
    DELETE FROM records r
    USING go, (SELECT * FROM unnest(%(removed)s::uuid[]) LIMIT cardinality(%(removed)s::uuid[]))
              AS gone (record_id)
    WHERE r.user_id = go.user_id AND r.record_id = gone.record_id),
  tag AS (
    SELECT go.user_id, t.tag, t.record_id
    FROM go, unnest(%(tags)s::bytea[], %(tagged)s::uuid[]) AS t (tag, record_id)),
  untagged AS (
    DELETE FROM record_tags t USING v
    WHERE t.user_id = v.user_id AND t.record_id = v.record_id AND v.replaces IS NOT NULL
      AND (t.tag, t.record_id) NOT IN (SELECT tag, record_id FROM tag)),
  tagged AS (
    INSERT INTO record_tags (user_id, tag, record_id) SELECT user_id, tag, record_id FROM tag
    ON CONFLICT DO NOTHING),
  e AS (
    INSERT INTO audit_events (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id)
    SELECT go.user_id, e.event_id, e.kind, %(now)s, go.app_id, go.session_id, go.unlock_id, e.record_id
    FROM go, unnest(%(events)s::uuid[], %(kinds)s::smallint[], %(event_records)s::uuid[])
             AS e (event_id, kind, record_id)
    ON CONFLICT DO NOTHING)
  SELECT EXISTS (SELECT FROM s), EXISTS (SELECT FROM go) OR EXISTS (SELECT FROM done)"""
)


def apply_change(conn: Connection, key: SessionKey, change: Change, now: datetime) -> Outcome:
    """Do all of it or nothing, in one statement; may be repeated with the same change."""
    updates = [(each.record, each.replaces) for each in change.versions if each.replaces is not None]
    once = change.once
    values = key.values(now) | {
        "dek": change.dek,
        "old_records": [record for record, _ in updates] + [r.record for r in change.removals],
        "old_versions": [old.version for _, old in updates] + [r.version for r in change.removals],
        "old_deks": [old.dek for _, old in updates] + [None for _ in change.removals],
        "key_hash": once.key_hash if once else None,
        "body_mac": once.body_mac if once else None,
        "answer": once.answer if once else None,
        "records": [v.record for v in change.versions],
        "versions": [v.version for v in change.versions],
        "replaced": [v.replaces.version if v.replaces else None for v in change.versions],
        "collection_tags": [v.collection_tag for v in change.versions],
        "sealed": [v.sealed for v in change.versions],
        "removed": [r.record for r in change.removals],
        "tags": [tag for v in change.versions for tag in v.tags],
        "tagged": [v.record for v in change.versions for _ in v.tags],
        "events": [e.event for e in change.events],
        "kinds": [int(e.kind) for e in change.events],
        "event_records": [e.record for e in change.events],
    }
    row = conn.execute(_APPLY, values, prepare=True).fetchone()
    assert row is not None, "a SELECT without FROM has one row"
    alive, done = row
    if done:
        return Outcome.DONE
    return Outcome.OVERTAKEN if alive else Outcome.SESSION_OVER
