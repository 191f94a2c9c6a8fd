"""A trail in a database: events as the service writes them, and what became of them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from psycopg import Connection

from tests.rig.postgres import TestDatabase
from tests.tlog import naive
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.storage.audit.sequence import Sequenced, sequence
from vault_service.storage.audit.sides import EVENTS
from vault_service.storage.audit.tiles import tile_reader
from vault_service.storage.keys import events as keys_events
from vault_service.storage.pool import Database
from vault_service.storage.records import events as records_events
from vault_service.storage.roles import Side
from vault_service.tlog import tiles

AT = datetime(2026, 1, 1, 12, 0, 0, 250, tzinfo=UTC)
WRITERS = {"keys": "vault_kms", "records": "vault_api"}
SEALERS = {"keys": "vault_worker_keys", "records": "vault_worker_records"}


def write_event(conn: Connection, side: Side, user: UUID | None = None) -> UUID:
    """One event; the transaction is the caller's."""
    who = UserId(user or new_uuid())
    if side == "keys":
        return keys_events.insert_event(conn, KeysEvent.UNLOCKED, AT, user=who, epoch=1, digest=bytes(32))
    return records_events.insert_event(conn, user=who, kind=RecordsEvent.RECORD_READ, at=AT, n=3)


def write_many(database: TestDatabase, count: int, *, per_transaction: int = 5000) -> None:
    """Events in bulk, as a superuser: what a year of traffic leaves."""
    with database.superuser() as conn:
        for begin in range(0, count, per_transaction):
            conn.execute(
                """INSERT INTO audit_events (user_id, event_id, kind, at)
                   SELECT gen_random_uuid(), gen_random_uuid(), 3, %s::timestamptz + n * interval '1 ms'
                   FROM generate_series(%s::int, %s::int) n""",
                [AT, begin + 1, min(begin + per_transaction, count)],
            )


def drain(db: Database, side: Side, limit: int = 5000) -> Sequenced:
    """Sequence until nothing waits."""
    done = sequence(db, side, limit)
    while done.ended_below is None:
        done = sequence(db, side, limit)
    return done


@dataclass(frozen=True)
class Sealed:
    """The log as it stands in the database, read by a superuser."""

    events: list[UUID]  # by index
    indexes: list[int]
    leaves: list[bytes]
    root: bytes
    size: int

    def assert_sound(self, expected: Sequence[UUID] | None = None) -> None:
        """Contiguous from 0, each event once, and the tiles are the RFC's tree over the leaves."""
        assert self.indexes == list(range(self.size)), "a gap"
        assert len(set(self.events)) == self.size, "an event is two leaves"
        assert self.root == naive.mth([naive.leaf(leaf) for leaf in self.leaves])
        if expected is not None:
            assert sorted(self.events) == sorted(expected), "events were lost"


def sealed(database: TestDatabase) -> Sealed:
    """Read the whole log."""
    events = EVENTS[database.side]
    with database.superuser() as conn:
        rows = conn.execute(
            "SELECT l.leaf_index, " + events.columns + """ FROM audit_leaves l
               JOIN audit_events e USING (user_id, event_id) ORDER BY l.leaf_index"""
        ).fetchall()  # fmt: skip
        row = conn.execute("SELECT size FROM audit_tree").fetchone()
        assert row is not None
        size = int(str(row[0]))
        root = tiles.root(tile_reader(conn), size)
    leaves = [events.leaf(*row[1:]).encode() for row in rows]
    return Sealed(
        [UUID(json.loads(leaf)["event_id"]) for leaf in leaves], [int(str(row[0])) for row in rows],
        leaves, root, size,
    )  # fmt: skip
