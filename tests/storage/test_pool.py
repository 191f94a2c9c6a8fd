"""The pool: a lost connection costs one request at most, no wait is endless, no doubtful commit counts."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from structlog.testing import capture_logs

from tests.dev.waiting import until
from tests.rig.postgres import TestDatabase, TestServer
from vault_service.domain.errors import (
    DatabaseUnavailableError,
    OutcomeUnknownError,
    VaultError,
)
from vault_service.logs import Repeated
from vault_service.storage.errors import (
    CommitUnconfirmedError,
    ConnectionLostError,
    ConstraintError,
    SerializationError,
    UniqueViolationError,
)
from vault_service.storage.pool import Database, open_database, repeatable

INSERT_TENANT = "INSERT INTO tenants VALUES (gen_random_uuid(), %(name)s, now())"


@pytest.fixture
def db(keys_db: TestDatabase) -> Iterator[Database]:
    """As the key service opens it, with two connections."""
    database = keys_db.open("vault_kms", size=2)
    yield database
    database.close()


def backend_of(conn: "psycopg.Connection[tuple[object, ...]]") -> int:
    return conn.info.backend_pid


def tenants(keys_db: TestDatabase) -> list[str]:
    with keys_db.superuser() as conn:
        return [str(row[0]) for row in conn.execute("SELECT name FROM tenants ORDER BY name")]


# --- the server goes and comes back


@pytest.mark.slow
def test_after_a_restart_of_the_server_the_first_use_of_each_connection_works(
    postgres: TestServer, db: Database
) -> None:
    """A pool that hands out dead connections would fail once for each of them."""
    with db.connection() as one, db.connection() as two:
        assert one.execute("SELECT 1").fetchone() == two.execute("SELECT 1").fetchone()

    postgres.stop()
    with pytest.raises(DatabaseUnavailableError):
        db.ping()
    postgres.start()

    with db.connection() as one, db.transaction() as two:
        assert one.execute("SELECT 1").fetchone() == two.execute("SELECT 1").fetchone()


def test_connections_that_the_server_closed_are_not_lent_again(postgres: TestServer, db: Database) -> None:
    with db.connection() as one, db.connection() as two:
        gone = {backend_of(one), backend_of(two)}
    with postgres.admin() as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) pid", [list(gone)])

    with db.transaction() as one, db.transaction() as two:
        assert {backend_of(one), backend_of(two)}.isdisjoint(gone)


def test_a_statement_under_which_the_connection_breaks_is_repeated_once(
    postgres: TestServer, db: Database
) -> None:
    backends: list[int] = []

    def work(conn: "psycopg.Connection[tuple[object, ...]]") -> object:
        backends.append(backend_of(conn))
        if len(backends) == 1:
            with postgres.admin() as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", backends)
        return conn.execute("SELECT 42").fetchone()

    assert db.run(work) == (42,)
    assert len(set(backends)) == 2


def test_a_plan_that_a_migration_made_stale_costs_one_error(keys_db: TestDatabase) -> None:
    """The server keeps refusing it on the same connection ("cached plan must not change result type")."""
    db = keys_db.open("vault_kms", size=1)

    def read() -> None:
        with db.connection() as conn:
            conn.execute("SELECT * FROM tenants", prepare=True)

    read()
    with keys_db.superuser() as conn:
        conn.execute("ALTER TABLE tenants ADD later text")
    with pytest.raises(ConnectionLostError):
        read()
    read()
    db.close()


def test_a_statement_that_was_refused_is_not_repeated(db: Database) -> None:
    calls: list[int] = []

    def work(conn: "psycopg.Connection[tuple[object, ...]]") -> object:
        calls.append(1)
        return conn.execute("SELECT FROM no_such_table")

    with pytest.raises(DatabaseUnavailableError):
        db.run(work)
    assert len(calls) == 1


# --- no wait is endless


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_server_process_that_answers_nothing_holds_nobody_up_for_good(db: Database) -> None:
    """Its own time-outs strike nothing while it is frozen, nor does TCP's: the kernel still acknowledges."""
    with pytest.raises(DatabaseUnavailableError), db.connection() as conn, frozen(backend_of(conn)):
        conn.execute("SELECT 1")

    db.ping()


@pytest.mark.slow
def test_a_server_that_freezes_inside_a_transaction_leaves_nothing(db: Database) -> None:
    """The caller may say that nothing was changed."""

    def insert_and_wait() -> None:
        with db.transaction() as conn:
            conn.execute(INSERT_TENANT, {"name": "never"})
            with frozen(backend_of(conn)):
                conn.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailableError) as raised:
        insert_and_wait()
    assert not isinstance(raised.value, OutcomeUnknownError)


@pytest.mark.slow
def test_a_server_that_freezes_before_commit_leaves_the_outcome_open(db: Database) -> None:
    def insert_and_freeze() -> None:
        with contextlib.ExitStack() as stack, db.transaction() as conn:
            conn.execute(INSERT_TENANT, {"name": "perhaps"})
            stack.enter_context(frozen(backend_of(conn)))

    with pytest.raises(CommitUnconfirmedError):
        insert_and_freeze()


@pytest.mark.slow
def test_a_lock_that_somebody_else_keeps_is_not_waited_for_long(keys_db: TestDatabase, db: Database) -> None:
    with keys_db.superuser() as other, other.transaction():
        other.execute("LOCK TABLE tenants")
        with pytest.raises(DatabaseUnavailableError) as raised, db.transaction() as conn:
            conn.execute(INSERT_TENANT, {"name": "waiting"})

    assert "55P03" in str(raised.value.__cause__)  # lock_not_available: the role's lock_timeout
    assert tenants(keys_db) == []


# --- what counts as committed


def test_a_transaction_stands_whole_or_not_at_all(keys_db: TestDatabase, db: Database) -> None:
    def insert_and_fail() -> None:
        with db.transaction() as conn:
            conn.execute(INSERT_TENANT, {"name": "half"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()
    with db.transaction() as conn:
        conn.execute(INSERT_TENANT, {"name": "whole"})

    assert tenants(keys_db) == ["whole"]


def test_an_error_that_was_swallowed_does_not_pass_for_a_commit(keys_db: TestDatabase, db: Database) -> None:
    """PostgreSQL answers COMMIT of a failed transaction with a quiet ROLLBACK."""

    def insert_and_swallow() -> None:
        with db.transaction() as conn:
            conn.execute(INSERT_TENANT, {"name": "lost"})
            with contextlib.suppress(psycopg.Error):
                conn.execute("SELECT FROM no_such_table")

    with pytest.raises(DatabaseUnavailableError):
        insert_and_swallow()

    assert tenants(keys_db) == []


def test_a_connection_that_breaks_at_commit_leaves_the_outcome_open(
    keys_db: TestDatabase, db: Database
) -> None:
    with keys_db.superuser() as conn:
        conn.execute(
            """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
               $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"""
        )
        conn.execute(
            """CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON tenants INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION die()"""
        )

    with pytest.raises(CommitUnconfirmedError) as raised, db.transaction() as conn:
        conn.execute(INSERT_TENANT, {"name": "perhaps"})

    assert isinstance(raised.value, OutcomeUnknownError)  # which callers know


@pytest.fixture
def absent_standby(postgres: TestServer, keys_db: TestDatabase) -> Iterator[None]:
    """Commits must wait for a synchronous standby, and there is none."""
    with postgres.admin(keys_db.name) as admin:
        admin.execute("ALTER ROLE vault_kms SET synchronous_commit = on")
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'absent'")
        admin.execute("SELECT pg_reload_conf()")
        until(lambda: standby_of_new_connections(postgres) == "absent")
        for _ in range(2):  # whoever makes them tells those who commit; the first may be under way already
            admin.execute("CHECKPOINT")
        try:
            yield
        finally:
            admin.execute("ALTER ROLE vault_kms RESET synchronous_commit")
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")


def standby_of_new_connections(postgres: TestServer) -> object:
    with postgres.admin() as conn:
        row = conn.execute("SHOW synchronous_standby_names").fetchone()
    return row and row[0]


@pytest.mark.slow
@pytest.mark.usefixtures("absent_standby")
@pytest.mark.parametrize("way", ["transaction", "connection"])
def test_a_commit_whose_wait_for_the_standby_was_cut_short_is_not_acknowledged(
    postgres: TestServer, keys_db: TestDatabase, way: str
) -> None:
    """The server says COMMIT with no more than a warning, and the row dies with the primary."""
    db = keys_db.open("vault_kms", size=1)
    begin = db.transaction if way == "transaction" else db.connection

    def insert() -> None:
        with ThreadPoolExecutor() as pool, begin() as conn:
            pool.submit(cut_short, postgres, backend_of(conn))
            conn.execute(INSERT_TENANT, {"name": "primary only"})

    with pytest.raises(CommitUnconfirmedError):
        insert()

    assert tenants(keys_db) == ["primary only"]
    db.close()


def cut_short(postgres: TestServer, pid: int) -> None:
    """Cancel the wait for the standby once it has begun."""
    with postgres.admin() as admin:
        waiting = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'SyncRep'"
        until(lambda: admin.execute(waiting, [pid]).fetchone() is not None)
        admin.execute("SELECT pg_cancel_backend(%s)", [pid])


@pytest.mark.slow
@pytest.mark.usefixtures("absent_standby")
@pytest.mark.parametrize("way", ["transaction", "connection"])
def test_a_commit_that_waits_for_the_standby_for_good_is_given_up(keys_db: TestDatabase, way: str) -> None:
    """The role's statement_timeout does not end this wait."""
    db = keys_db.open("vault_kms", size=1)
    begin = db.transaction if way == "transaction" else db.connection

    with pytest.raises(CommitUnconfirmedError), begin() as conn:
        conn.execute(INSERT_TENANT, {"name": "perhaps"})
    db.close()


# --- errors by SQLSTATE


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT pg_sleep(10)", DatabaseUnavailableError),  # the role's statement_timeout ends it
        ("SELECT * FROM no_such_table", DatabaseUnavailableError),
        ("SELECT no_such_column FROM tenants", DatabaseUnavailableError),
        ("UPDATE audit_events SET kind = 1", DatabaseUnavailableError),  # no privilege
        ("SET transaction_read_only = on; INSERT INTO tenants VALUES (gen_random_uuid(), 'a', now())",
         DatabaseUnavailableError),
        ("DO $$ BEGIN RAISE disk_full; END $$", DatabaseUnavailableError),
        ("DO $$ BEGIN RAISE deadlock_detected; END $$", SerializationError),
        ("DO $$ BEGIN RAISE serialization_failure; END $$", SerializationError),
        ("DO $$ BEGIN RAISE feature_not_supported; END $$", ConnectionLostError),  # a plan gone stale
        ("INSERT INTO tenants VALUES (gen_random_uuid(), 'a', now()), (gen_random_uuid(), 'a', now())",
         UniqueViolationError),
        ("INSERT INTO tenants VALUES (gen_random_uuid(), NULL, now())", ConstraintError),
        ("INSERT INTO apps VALUES (gen_random_uuid(), gen_random_uuid(), 'orphan', now())", ConstraintError),
    ],
)  # fmt: skip
def test_errors_of_the_database_become_the_projects_own(
    db: Database, statement: str, error: type[VaultError]
) -> None:
    with pytest.raises(error) as raised, db.transaction() as conn, psycopg.ClientCursor(conn) as cursor:
        cursor.execute(statement.encode())

    assert type(raised.value) is error
    assert "tenants" not in str(raised.value)  # what the server says may quote a row
    db.ping()  # the connection, or another one, is of use again


def test_a_deadlock_is_resolved_by_repeating_the_work(db: Database) -> None:
    tries: list[int] = []

    @repeatable
    def work(conflicts: int) -> str:
        tries.append(1)
        with db.transaction() as conn:
            if len(tries) <= conflicts:
                conn.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")
            return "done"

    assert work(2) == "done"
    assert len(tries) == 3

    tries.clear()
    with pytest.raises(SerializationError):
        work(3)
    assert len(tries) == 3


def test_a_wrong_password_is_an_unavailable_database_and_is_not_shown(
    keys_db: TestDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    db = open_database(keys_db.dsn("vault_kms"), "not-the-password", size=1, name="keys")
    with pytest.raises(DatabaseUnavailableError) as raised:
        db.ping()
    db.close()

    assert "not-the-password" not in repr(raised.value) + caplog.text


def test_binary_values_arrive_as_they_are(db: Database) -> None:
    with db.connection() as conn:
        row = conn.execute("SELECT '\\x00ff'::bytea, 7::bigint, NULL::uuid, true").fetchone()

    assert row == (b"\x00\xff", 7, None, True)


def test_an_outage_is_one_line_for_all_who_meet_it_and_one_when_it_is_over(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of calls a minute would fill a disk while an operator looks for what else is wrong."""
    now = 0.0
    monkeypatch.setattr(db, "_away", Repeated(lambda: now, quiet_s=5.0))

    def fail(_: int) -> None:
        with pytest.raises(DatabaseUnavailableError), db.connection() as conn:
            conn.execute("SELECT 1 / 0")

    with capture_logs() as logged, ThreadPoolExecutor(2) as pool:
        list(pool.map(fail, range(20)))
        db.ping()  # others still work, or work again for a moment
        fail(0)
        now = 5.0
        db.ping()

    assert [(line["event"], line["part"], line["n"]) for line in logged] == [
        ("database.unavailable", "keys", 1),
        ("database.back", "keys", 21),
    ]
