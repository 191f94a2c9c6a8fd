"""What happened to a user lately is found at once, however long the user's own trail has grown.

Read from its beginning, a trail of a million sign-ins takes as long as a request's statement may: the user
could cancel no recovery any more, and nobody be told that somebody was erased.
"""

import inspect
import re
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.audit.planted import BEGIN, BUSY, counting, plant_crowd
from tests.rig.postgres import TestDatabase
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import UnlockId, UserId
from vault_service.storage.keys import erased as keys_erased
from vault_service.storage.keys.events import TELL_THE_EPOCH, is_told, was_put_back, was_unlocked
from vault_service.storage.pool import Database
from vault_service.storage.records import users as records_users

USER = UserId(BUSY)
EVENTS = 5000


def plant_trail(db: TestDatabase, kind: KeysEvent | RecordsEvent, last: KeysEvent | RecordsEvent) -> None:
    """Beside others', one user's events in the order of their ids, which are those of the unlocks as well.

    The last one is of another kind.
    """
    plant_crowd(db, 500)
    with db.superuser() as conn:
        if db.side == "keys":  # of those that stand here: nobody changed a password since
            conn.execute("ALTER TABLE audit_events ALTER epoch SET DEFAULT 1")
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, unlock_id)
               SELECT %(user)s, lpad(to_hex(n), 32, '0')::uuid,
                      CASE n WHEN %(events)s THEN %(last)s ELSE %(kind)s END, %(at)s,
                      lpad(to_hex(n), 32, '0')::uuid
               FROM generate_series(1, %(events)s) n""",
            {"user": USER, "events": EVENTS, "kind": int(kind), "last": int(last), "at": BEGIN},
        )
        conn.execute("VACUUM ANALYZE audit_events")


@pytest.fixture
def kms(keys_db: TestDatabase) -> Iterator[Database]:
    """As the key service sees it."""
    plant_trail(keys_db, KeysEvent.UNLOCKED, KeysEvent.USER_ERASED)
    db = keys_db.open("vault_kms", size=1)
    yield db
    db.close()


def test_the_unlock_of_a_session_is_found_from_the_newest_on(kms: Database) -> None:
    with counting(kms) as (conn, read):
        known = was_unlocked(conn, USER, UnlockId(UUID(int=EVENTS - 3)), 1)

    assert known
    assert read[0] < 20


def test_an_unlock_of_long_ago_is_found_too_and_one_of_another_epoch_is_not(kms: Database) -> None:
    with kms.connection() as conn:
        assert was_unlocked(conn, USER, UnlockId(UUID(int=1)), 1)
        assert not was_unlocked(conn, USER, UnlockId(UUID(int=1)), 2)


def test_the_key_service_finds_an_erasure_from_the_newest_on(kms: Database) -> None:
    with counting(kms) as (conn, read):
        erased = keys_erased.was_erased(conn, USER)

    assert erased
    assert read[0] < 20


def test_the_api_finds_an_erasure_from_the_newest_on(records_db: TestDatabase) -> None:
    plant_trail(records_db, RecordsEvent.RECORD_READ, RecordsEvent.USER_ERASED)
    db = records_db.open("vault_api", size=1)

    with counting(db) as (conn, read):
        erased = records_users.was_erased(conn, USER)

    assert erased
    assert read[0] < 20
    db.close()


def test_how_high_an_epoch_is_told_to_be_is_found_without_reading_the_sign_ins(kms: Database) -> None:
    """Else whoever signs in often could not change the password some day."""
    with counting(kms) as (conn, read):
        told = is_told(conn, USER, 1)
        older = was_put_back(conn, USER)

    assert not told
    assert not older
    assert read[0] < 20


def test_the_statements_and_their_index_name_the_kinds_that_tell_an_epoch(keys_db: TestDatabase) -> None:
    with keys_db.superuser() as conn:
        row = conn.execute("SELECT pg_get_indexdef('audit_events_that_tell_the_epoch'::regclass)").fetchone()
    assert row is not None
    written = [
        re.findall(r"kind IN \(([^)]*)\)", inspect.getsource(each))[0] for each in (is_told, was_put_back)
    ]

    for named in (str(row[0]).partition("WHERE")[2], *written):
        assert sorted(map(int, re.findall(r"\d+", named))) == sorted(map(int, TELL_THE_EPOCH))
