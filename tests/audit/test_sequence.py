"""Committed events become leaves: each once, contiguous, in the order of their transactions."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, errors, sql
from psycopg.conninfo import make_conninfo

from tests.audit.trail import AT, SEALERS, WRITERS, drain, sealed, write_event, write_many
from tests.rig.postgres import TestDatabase, fresh_database, running_server
from vault_service.domain.ids import NOBODY
from vault_service.storage.audit.cursor import survey
from vault_service.storage.audit.reading import read_leaves
from vault_service.storage.audit.sequence import sequence
from vault_service.storage.pool import Database
from vault_service.storage.roles import Side

SIDE: Side = "records"


@pytest.fixture
def worker(records_db: TestDatabase) -> Iterator[Database]:
    db = records_db.open(SEALERS[SIDE], size=2)
    yield db
    db.close()


def begun(database: TestDatabase) -> "Connection[tuple[object, ...]]":
    """A writer that has begun its transaction."""
    conn = database.connect(WRITERS[SIDE])
    conn.autocommit = False
    return conn


def is_waiting(db: Database) -> bool:
    with db.connection() as conn:
        return survey(conn).waiting


@pytest.mark.parametrize("side", ["keys", "records"])
def test_events_become_leaves_in_the_order_of_their_transactions(
    side: str, keys_db: TestDatabase, records_db: TestDatabase
) -> None:
    database = keys_db if side == "keys" else records_db
    with database.connect(WRITERS[database.side]) as conn:
        expected = [write_event(conn, database.side) for _ in range(300)]
    db = database.open(SEALERS[database.side], size=1)

    done = drain(db, database.side)

    log = sealed(database)
    log.assert_sound()
    assert log.events == expected
    assert done.size == 300
    db.close()


def test_nothing_new_changes_nothing(records_db: TestDatabase, worker: Database) -> None:
    write_many(records_db, 10)
    drain(worker, SIDE)
    assert not is_waiting(worker)

    done = sequence(worker, SIDE, 10)

    assert (done.size, done.added) == (10, 0)
    assert done.ended_below is not None


def test_a_writer_that_commits_late_is_not_passed_over(records_db: TestDatabase, worker: Database) -> None:
    """Its event's transaction id is smaller than those of events that were committed before it."""
    with begun(records_db) as slow, records_db.connect(WRITERS[SIDE]) as fast:
        late = write_event(slow, SIDE)
        early = write_event(fast, SIDE)
        drain(worker, SIDE)
        assert sealed(records_db).events == [], "the younger one waits for the older to end"
        assert is_waiting(worker)
        slow.commit()

    drain(worker, SIDE)

    log = sealed(records_db)
    log.assert_sound()
    assert log.events == [late, early]
    assert not is_waiting(worker)


def test_what_is_rolled_back_leaves_no_gap(records_db: TestDatabase, worker: Database) -> None:
    with begun(records_db) as conn:
        write_event(conn, SIDE)
        conn.rollback()
        kept = write_event(conn, SIDE)
        conn.commit()

    drain(worker, SIDE)

    log = sealed(records_db)
    log.assert_sound()
    assert log.events == [kept]


def test_a_batch_may_end_in_the_middle_of_a_transaction(records_db: TestDatabase, worker: Database) -> None:
    with begun(records_db) as conn:
        expected = [write_event(conn, SIDE) for _ in range(25)]
        conn.commit()

    sizes = [sequence(worker, SIDE, 7).size for _ in range(4)]

    assert sizes == [7, 14, 21, 25]
    sealed(records_db).assert_sound(expected)


def test_ids_at_the_edge_of_their_range_hide_no_event(records_db: TestDatabase, worker: Database) -> None:
    """An API host in an attacker's hands chooses users and event ids as it likes."""
    edges = [UUID(int=0), UUID(int=2**128 - 1)]
    with begun(records_db) as conn:
        for round_ in range(2):
            write_event(conn, SIDE)
            conn.commit()
            drain(worker, SIDE)
            for event in edges[round_ : round_ + 1]:
                for user in edges:
                    conn.execute(
                        "INSERT INTO audit_events (user_id, event_id, kind, at) VALUES (%s, %s, 11, %s)",
                        [user, event, AT],
                    )
            conn.commit()
    drain(worker, SIDE)

    assert sealed(records_db).size == 6


def test_the_smallest_ids_of_a_late_transaction_hide_nothing(
    records_db: TestDatabase, worker: Database
) -> None:
    """The cursor stands right before that transaction, not at its first possible event."""
    with begun(records_db) as slow:
        write_many(records_db, 1)
        slow.execute(
            "INSERT INTO audit_events (user_id, event_id, kind, at) VALUES (%s, %s, 11, %s)",
            [NOBODY, UUID(int=0), AT],
        )
        assert drain(worker, SIDE).size == 1
        slow.commit()

    assert drain(worker, SIDE).size == 2


def test_a_cursor_that_was_set_back_makes_no_event_two_leaves(
    records_db: TestDatabase, worker: Database
) -> None:
    write_many(records_db, 50)
    drain(worker, SIDE)
    before = sealed(records_db)
    with records_db.superuser() as conn:
        conn.execute("UPDATE audit_tree SET last_tx = '0'")
    write_many(records_db, 5)

    drain(worker, SIDE, limit=7)

    after = sealed(records_db)
    after.assert_sound()
    assert after.size == 55
    assert after.events[:50] == before.events


def test_the_table_itself_refuses_a_second_leaf(records_db: TestDatabase, worker: Database) -> None:
    write_many(records_db, 1)
    drain(worker, SIDE)

    with records_db.connect(SEALERS[SIDE]) as conn, pytest.raises(errors.UniqueViolation):
        conn.execute("INSERT INTO audit_leaves SELECT 1, user_id, event_id FROM audit_leaves")


class TestAnotherCluster:
    """Transaction ids begin anew: old events' ids mean nothing, and the cursor is no place to go on from."""

    FUTURE = 10**12  # as ids of a cluster that was busier

    def moved(self, database: TestDatabase) -> None:
        """As a dump of a busier cluster, restored here: all ids and the cursor are from elsewhere."""
        with database.superuser() as conn:
            conn.execute("UPDATE audit_tree SET cluster = 1, last_tx = %s::text::xid8", [str(self.FUTURE)])
            conn.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
            conn.execute("UPDATE audit_events SET tx = (%s + tx::text::bigint)::text::xid8", [self.FUTURE])
            conn.execute("ALTER TABLE audit_events ENABLE ALWAYS TRIGGER append_only")

    @pytest.mark.parametrize("limit", [3, 7, 5000])
    def test_old_and_new_events_become_leaves_once(
        self, records_db: TestDatabase, worker: Database, limit: int
    ) -> None:
        write_many(records_db, 20, per_transaction=3)
        drain(worker, SIDE)
        write_many(records_db, 10, per_transaction=3)  # these were not sealed when the dump was made
        self.moved(records_db)
        write_many(records_db, 10, per_transaction=3)

        drain(worker, SIDE, limit=limit)
        write_many(records_db, 10, per_transaction=3)
        done = drain(worker, SIDE, limit=limit)

        sealed(records_db).assert_sound()
        assert done.size == 50
        assert not is_waiting(worker)

    def test_a_writer_that_commits_after_the_search_is_not_passed_over(
        self, records_db: TestDatabase, worker: Database
    ) -> None:
        write_many(records_db, 5)
        drain(worker, SIDE)
        self.moved(records_db)
        with begun(records_db) as slow, records_db.connect(WRITERS[SIDE]) as fast:
            late = write_event(slow, SIDE)
            early = write_event(fast, SIDE)
            drain(worker, SIDE)
            assert sealed(records_db).events[5:] == [early], "the search takes what it sees"
            slow.commit()

        drain(worker, SIDE)

        log = sealed(records_db)
        log.assert_sound()
        assert log.events[5:] == [early, late]

    def test_a_log_that_was_never_sealed_keeps_the_order_of_its_events(
        self, records_db: TestDatabase, worker: Database
    ) -> None:
        """A new database is not searched: its ids are this cluster's own."""
        with records_db.connect(WRITERS[SIDE]) as conn:
            expected = [write_event(conn, SIDE, uuid4()) for _ in range(30)]

        drain(worker, SIDE)

        assert sealed(records_db).events == expected

    def test_a_log_that_was_never_sealed_and_comes_from_elsewhere_is_searched(
        self, records_db: TestDatabase, worker: Database
    ) -> None:
        write_many(records_db, 10)
        with records_db.superuser() as conn:
            conn.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
            conn.execute("UPDATE audit_events SET tx = '1000000000000'")
        write_event(records_db.connect(WRITERS[SIDE]), SIDE)

        assert drain(worker, SIDE, limit=4).size == 11

    def test_an_old_event_is_passed_over_when_transaction_ids_reach_its_own(
        self, records_db: TestDatabase, worker: Database
    ) -> None:
        write_many(records_db, 10)
        with records_db.superuser() as conn:
            row = conn.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
            assert row is not None
            soon = int(str(row[0])) + 20
            conn.execute("UPDATE audit_tree SET cluster = 1, last_tx = %s::text::xid8", [str(soon)])
            conn.execute("ALTER TABLE audit_events DISABLE TRIGGER append_only")
            conn.execute("UPDATE audit_events SET tx = %s::text::xid8", [str(soon)])
        drain(worker, SIDE)
        for _ in range(30):
            write_many(records_db, 1)
            drain(worker, SIDE)

        sealed(records_db).assert_sound()
        assert sealed(records_db).size == 40

    def test_a_dump_that_is_restored_into_another_cluster_goes_on(
        self, records_db: TestDatabase, worker: Database, scratch: Path
    ) -> None:
        write_many(records_db, 300, per_transaction=40)
        drain(worker, SIDE)
        write_many(records_db, 20, per_transaction=3)
        before = sealed(records_db)
        folder = scratch / "other-cluster"
        folder.mkdir(mode=0o755)

        with running_server(folder) as other, fresh_database(other, SIDE) as restored:
            dump_and_restore(records_db, restored)
            db = restored.open(SEALERS[SIDE], size=1)
            write_many(restored, 30, per_transaction=3)
            drain(db, SIDE)

            after = sealed(restored)
            after.assert_sound()
            assert after.size == 350
            assert after.leaves[:300] == before.leaves
            db.close()


def dump_and_restore(source: TestDatabase, target: TestDatabase) -> None:
    """As an administrator does it, with the schema."""

    def place(database: TestDatabase) -> list[str]:
        return ["-d", make_conninfo(database.server.cluster.admin_dsn, dbname=database.name)]

    programs = source.server.cluster.programs
    dump = source.server.folder / "dump"
    with target.server.admin() as conn:
        conn.execute(f"DROP DATABASE {target.name} WITH (FORCE)".encode())
        conn.execute(f"CREATE DATABASE {target.name} OWNER vault_records_owner TEMPLATE template0".encode())
    with dump.open("wb") as file:
        subprocess.run([programs / "pg_dump", "-Fc", *place(source)], stdout=file, check=True)
    subprocess.run([programs / "pg_restore", *place(target), dump], check=True)
    with target.server.admin() as conn:
        conn.execute(f"GRANT CONNECT ON DATABASE {target.name} TO vault_worker_records".encode())
    dump.unlink()


def test_nobodys_events_are_sealed_as_anybodys(records_db: TestDatabase, worker: Database) -> None:
    with records_db.connect(WRITERS[SIDE]) as conn:
        event = write_event(conn, SIDE, NOBODY)

    drain(worker, SIDE)

    assert sealed(records_db).events == [event]


STRANGE = {
    "infinity": "Infinity",
    "-infinity": "-Infinity",
    "20000-01-01 00:00Z": "568971820800.000000",
    "4000-01-01 00:00Z BC": "-188363404800.000000",
}


@pytest.mark.parametrize("session", [{}, {"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY"}])
def test_a_time_that_is_none_is_sealed_as_the_database_has_it(
    records_db: TestDatabase, worker: Database, session: dict[str, str]
) -> None:
    """Put in by a superuser, it must not keep all other events from being sealed, for ever."""
    with records_db.superuser() as conn:
        for strange in STRANGE:
            conn.execute(
                """INSERT INTO audit_events (user_id, event_id, kind, at)
                   VALUES (gen_random_uuid(), gen_random_uuid(), 11, %s)""",
                [strange],
            )

    assert drain(worker, SIDE).size == len(STRANGE)

    sealed(records_db).assert_sound()
    with records_db.superuser() as conn:
        for name, value in session.items():
            conn.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
        leaves = [json.loads(leaf or b"") for _, leaf in read_leaves(conn, SIDE, 0, 10)]
    assert [leaf["at"] for leaf in leaves] == list(STRANGE.values())


def test_an_id_that_is_no_bigint_does_not_stop_the_search(records_db: TestDatabase, worker: Database) -> None:
    """As it is after a dump and its restoring, when every event without a leaf is looked for."""
    write_many(records_db, 2)
    drain(worker, SIDE)
    with records_db.superuser() as conn:
        conn.execute("UPDATE audit_tree SET cluster = 7")
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, tx)
               VALUES (gen_random_uuid(), gen_random_uuid(), 11, now(), '18446744073709551615')"""
        )

    assert drain(worker, SIDE).size == 3
