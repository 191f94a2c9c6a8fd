"""The workers do their whole work with the few rights that they have."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.rig.people import kms_of
from tests.rig.postgres import TestDatabase
from tests.rig.vault import Vault
from vault_service.accounts.service import AccountParts
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, UserId
from vault_service.policy.load import load_policies
from vault_service.storage.keys.guesses import purge_guesses
from vault_service.storage.pool import Database
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.housekeeping import purge_expired
from vault_service.storage.records.intents import delete_intent, find_old, insert_intent
from vault_service.storage.records.sessions import end_all_sessions
from vault_service.storage.records.users import delete_user, raise_floor
from vault_service.worker import keys_tasks, records_tasks

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=400)
USER = UserId(UUID(int=1))


@pytest.fixture
def worker(records_db: TestDatabase) -> Iterator[Database]:
    """The records side's, on a database in which one user has one of everything, all of it old."""
    with records_db.connect("vault_api") as conn:
        conn.execute("INSERT INTO users VALUES (%s, %s, 1, %s)", [USER, uuid4(), LONG_AGO])
        conn.execute(
            """INSERT INTO sessions VALUES (%s, %s, %s, %s, %s, 1, %s, %s, false, %s, %s, 900, %s)""",
            [USER, uuid4(), bytes(32), uuid4(), bytes(93), uuid4(), uuid4(), LONG_AGO, LONG_AGO, LONG_AGO],
        )
        record = uuid4()
        conn.execute(
            "INSERT INTO records VALUES (%s, %s, 1, %s, %s, '', %s, %s)",
            [USER, record, uuid4(), bytes(32), LONG_AGO, LONG_AGO],
        )
        conn.execute("INSERT INTO record_tags VALUES (%s, %s, %s)", [USER, bytes(32), record])
        conn.execute(
            "INSERT INTO idempotency VALUES (%s, %s, %s, '', %s)", [USER, bytes(32), bytes(32), LONG_AGO]
        )
        conn.execute("INSERT INTO sign_ups VALUES (%s, %s, %s, %s)", [uuid4(), bytes(32), USER, LONG_AGO])
        insert_intent(conn, USER, "erase", 1, LONG_AGO)
    db = records_db.open("vault_worker_records", size=1)
    yield db
    db.close()


def rows(database: TestDatabase, *tables: str) -> dict[str, int]:
    with database.superuser() as conn:
        return {
            table: len(conn.execute(f"SELECT FROM {table}".encode()).fetchall())  # our names
            for table in tables
        }


def test_what_expired_is_removed(records_db: TestDatabase, worker: Database) -> None:
    with worker.connection() as conn:
        assert purge_expired(conn, NOW, 10) == {"sessions": 1, "idempotency": 1, "sign_ups": 1}

    assert rows(records_db, "sessions", "idempotency", "sign_ups", "records") == {
        "sessions": 0, "idempotency": 0, "sign_ups": 0, "records": 1,
    }  # fmt: skip


def test_a_backlog_is_removed_in_one_turn(records_db: TestDatabase, worker: Database, vault: Vault) -> None:
    """However many requests a second come with an Idempotency-Key, the worker is not outrun."""
    with records_db.superuser() as conn:
        conn.execute(
            """INSERT INTO idempotency SELECT %s, sha256(int4send(n)), sha256(''), '', %s
               FROM generate_series(1, 2500) n""",
            [USER, LONG_AGO],
        )
    parts = AccountParts(worker, kms_of(vault), load_policies(vault.home / "policies"), lambda: NOW)

    (purge,) = (task for task in records_tasks(parts) if task.name == "purge_expired")
    purge.run()

    assert rows(records_db, "idempotency") == {"idempotency": 0}


_READ = """SELECT coalesce(sum(seq_tup_read), 0)::int FROM pg_stat_xact_user_tables
           WHERE relname = ANY(%(tables)s)"""


def test_removing_a_batch_reads_no_table_as_a_whole(records_db: TestDatabase, worker: Database) -> None:
    """Else a batch takes longer the more there is, and an API that is busy enough fills the disk."""
    tables = ["sessions", "idempotency", "sign_ups"]
    with records_db.superuser() as conn:
        conn.execute(
            """INSERT INTO sessions SELECT %(user)s, gen_random_uuid(), sha256(''), %(user)s,
                                           decode(repeat('00', 93), 'hex'),
                                           1, %(user)s, %(user)s, false, %(at)s, %(at)s, 900, %(at)s
               FROM generate_series(1, 5000) n""",
            {"user": USER, "at": LONG_AGO},
        )
        conn.execute(
            """INSERT INTO idempotency SELECT %s, sha256(int4send(n)), sha256(''), '', %s
               FROM generate_series(1, 5000) n""",
            [USER, LONG_AGO],
        )
        conn.execute(
            """INSERT INTO sign_ups SELECT gen_random_uuid(), sha256(int4send(n)), gen_random_uuid(), %s
               FROM generate_series(1, 5000) n""",
            [LONG_AGO],
        )
        conn.execute("VACUUM ANALYZE")

    with worker.transaction() as conn:
        gone = purge_expired(conn, NOW, 20)
        read = conn.execute(_READ, {"tables": tables}).fetchone()

    assert gone == dict.fromkeys(tables, 20)
    assert read == (0,)


def test_forgetting_guesses_reads_no_table_as_a_whole(keys_db: TestDatabase) -> None:
    with keys_db.superuser() as conn:
        conn.execute(
            """INSERT INTO guesses SELECT sha256(int4send(n)), 0, now() - interval '1 year',
                                          now() - interval '1 year' FROM generate_series(1, 5000) n"""
        )
        conn.execute("VACUUM ANALYZE")
    db = keys_db.open("vault_worker_keys", size=1)

    with db.transaction() as conn:
        gone = purge_guesses(conn, NOW, 20)
        read = conn.execute(_READ, {"tables": ["guesses"]}).fetchone()

    assert (gone, read) == (20, (0,))
    db.close()


def test_a_change_of_password_is_finished(records_db: TestDatabase, worker: Database) -> None:
    with worker.transaction() as conn:
        (intent,) = find_old(conn, NOW, 10)
        assert delete_intent(conn, intent)
        assert raise_floor(conn, USER, 2)
        assert end_all_sessions(conn, USER) == 1
        insert_event(conn, user=USER, kind=RecordsEvent.PASSWORD_CHANGED, at=NOW, app=AppId(uuid4()))

    with worker.transaction() as conn:
        assert not raise_floor(conn, USER, 2), "it is that high already"
    assert rows(records_db, "intents", "sessions", "audit_events") == {
        "intents": 0, "sessions": 0, "audit_events": 1,
    }  # fmt: skip


def test_an_erasure_is_finished_and_leaves_nothing_but_the_trail(
    records_db: TestDatabase, worker: Database
) -> None:
    with worker.transaction() as conn:
        delete_user(conn, USER)
        insert_event(conn, user=USER, kind=RecordsEvent.USER_ERASED, at=NOW)

    tables = ("users", "sessions", "records", "record_tags", "idempotency", "audit_events")
    assert rows(records_db, *tables) == dict.fromkeys(tables, 0) | {"audit_events": 1}


def test_a_backlog_of_guesses_is_forgotten_in_one_turn(keys_db: TestDatabase) -> None:
    with keys_db.superuser() as conn:
        conn.execute(
            """INSERT INTO guesses SELECT sha256(int4send(n)), 0, now() - interval '1 year',
                                          now() - interval '1 year' FROM generate_series(1, 2500) n"""
        )
    db = keys_db.open("vault_worker_keys", size=1)

    (purge,) = keys_tasks(db)
    assert purge.run() == 2500
    db.close()


def test_guesses_of_long_ago_are_forgotten_and_others_kept(keys_db: TestDatabase) -> None:
    with keys_db.connect("vault_kms") as conn:
        for index, at in ((b"a" * 32, LONG_AGO), (b"b" * 32, NOW)):
            conn.execute("INSERT INTO guesses VALUES (%s, 0, %s, %s)", [index, at, at])
    db = keys_db.open("vault_worker_keys", size=1)

    with db.connection() as conn:
        assert purge_guesses(conn, NOW - timedelta(days=90), 10) == 1
    assert rows(keys_db, "guesses") == {"guesses": 1}
    db.close()
