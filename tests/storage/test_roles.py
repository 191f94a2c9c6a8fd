"""Roles of a server: made once, each with its own password, none with more than its process needs."""

import stat
from pathlib import Path

import psycopg
import pytest

from tests.rig.postgres import TestDatabase, TestServer
from vault_service.domain.errors import DatabaseUnavailableError
from vault_service.storage.connection import GRACE_S
from vault_service.storage.pool import WAIT_S
from vault_service.storage.roles import LAYOUTS, Side, create_server_roles

EVERYBODY = [role for layout in LAYOUTS.values() for role in (layout.owner, *layout.logins)]


def test_repeating_it_changes_no_password(postgres: TestServer, keys_db: TestDatabase) -> None:
    before = keys_db.password("vault_kms")

    create_server_roles(
        postgres.cluster.admin_dsn, "keys", postgres.folder / "passwords", database=keys_db.name
    )

    assert keys_db.password("vault_kms") == before
    keys_db.connect("vault_kms").close()


def test_rotating_replaces_every_password_of_the_side_and_leaves_nothing_beside(
    postgres: TestServer, keys_db: TestDatabase
) -> None:
    before = {role: keys_db.password(role) for role in LAYOUTS["keys"].logins}

    files = create_server_roles(
        postgres.cluster.admin_dsn,
        "keys",
        postgres.folder / "passwords",
        database=keys_db.name,
        rotate=True,
    )

    assert all(files[role].read_text("ascii") != before[role] for role in before)
    for role in before:
        keys_db.connect(role).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(keys_db.dsn(role), password=before[role])
    assert not list((postgres.folder / "passwords").glob("*.new"))


def test_a_password_file_is_its_owners_alone(keys_db: TestDatabase) -> None:
    assert stat.S_IMODE(keys_db.password_file("vault_kms").stat().st_mode) == 0o600


def test_the_server_stores_and_sees_scram_verifiers_only(postgres: TestServer, keys_db: TestDatabase) -> None:
    """Not even a server that logs every statement has a password in its log."""
    with postgres.admin() as conn:
        conn.execute("ALTER ROLE postgres SET log_statement = 'all'")
        create_server_roles(
            postgres.cluster.admin_dsn, "keys", postgres.folder / "passwords", database=keys_db.name
        )
        conn.execute("ALTER ROLE postgres RESET log_statement")
        rows = conn.execute(
            "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = ANY(%s)", [EVERYBODY]
        ).fetchall()

    stored = {str(name): str(password) for name, password in rows if password is not None}
    assert stored.keys() == {role for layout in LAYOUTS.values() for role in layout.logins}
    assert all(password.startswith("SCRAM-SHA-256$") for password in stored.values())
    log = (postgres.folder / "postgres.log").read_text()
    assert 'ALTER ROLE "vault_kms" LOGIN PASSWORD' in log
    assert keys_db.password("vault_kms") not in log


def test_no_role_may_do_anything_to_the_server(postgres: TestServer) -> None:
    with postgres.admin() as conn:
        rows = conn.execute(
            """SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)
               AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)""",
            [EVERYBODY],
        ).fetchall()

    assert rows == []


def test_only_the_migrator_can_become_the_owner_and_nobody_can_log_in_as_it(postgres: TestServer) -> None:
    with postgres.admin() as conn:
        memberships = conn.execute(
            """SELECT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members
               WHERE pg_get_userbyid(member) = ANY(%(all)s) OR pg_get_userbyid(roleid) = ANY(%(all)s)""",
            {"all": EVERYBODY},
        ).fetchall()
        owners = conn.execute(
            "SELECT rolname FROM pg_roles WHERE NOT rolcanlogin AND rolname = ANY(%s)", [EVERYBODY]
        ).fetchall()

    assert set(memberships) == {(each.owner, each.migrator) for each in LAYOUTS.values()}
    assert {row[0] for row in owners} == {each.owner for each in LAYOUTS.values()}


def test_the_migrator_must_take_the_owners_role_on_purpose(keys_db: TestDatabase) -> None:
    with keys_db.connect("vault_keys_migrator") as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT count(*) FROM users")
        conn.execute("SET ROLE vault_keys_owner")
        assert conn.execute("SELECT count(*) FROM users").fetchone() == (0,)


@pytest.mark.parametrize(
    ("role", "statement_timeout", "lock_timeout"),
    [
        ("vault_kms", "1100ms", "800ms"),
        ("vault_worker_keys", "30s", "1500ms"),
        ("vault_api", "1100ms", "800ms"),
        ("vault_worker_records", "30s", "1500ms"),
    ],
)
def test_each_process_has_its_limits_from_its_role(
    keys_db: TestDatabase, records_db: TestDatabase, role: str, statement_timeout: str, lock_timeout: str
) -> None:
    database = keys_db if role in LAYOUTS["keys"].logins else records_db
    with database.connect(role) as conn:
        settings = {
            name: conn.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in (
                "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode",
                "timezone", "default_transaction_isolation", "deadlock_timeout",
            )
        }  # fmt: skip

    assert settings == {
        "statement_timeout": (statement_timeout,),
        "lock_timeout": (lock_timeout,),
        "idle_in_transaction_session_timeout": ("10s",),
        "plan_cache_mode": ("force_generic_plan",),
        "timezone": ("UTC",),
        "default_transaction_isolation": ("read committed",),
        "deadlock_timeout": (
            "300ms",
        ),  # before the lock_timeout: it tells one of two that it may be repeated
    }


@pytest.mark.parametrize("side", ["keys", "records"])
def test_a_request_gives_up_before_the_two_seconds_are_over(side: Side) -> None:
    """The wait for a connection, then the longest statement, then what a frozen server is given on top."""
    serving = next(each for each in LAYOUTS[side].processes if each.name in ("vault_kms", "vault_api"))
    statement_s = int(serving.statement_timeout.removesuffix("ms")) / 1000
    lock_s = int(serving.lock_timeout.removesuffix("ms")) / 1000

    assert lock_s < statement_s, "so that the log says what it waited for"
    assert WAIT_S + statement_s + GRACE_S < 2.0


def test_a_server_that_is_away_is_an_unavailable_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        create_server_roles(f"host={tmp_path} user=postgres", "keys", tmp_path / "passwords")


def test_no_process_may_make_anything_for_others_to_stumble_over(
    postgres: TestServer, records_db: TestDatabase
) -> None:
    """A function that fits better than the server's own would run with the rights of whoever calls it."""
    with records_db.superuser() as conn:
        conn.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")  # as in a database that PostgreSQL 14 made

    create_server_roles(
        postgres.cluster.admin_dsn, "records", postgres.folder / "passwords", database=records_db.name
    )

    with records_db.connect("vault_api") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("CREATE FUNCTION hashtextextended(text, integer) RETURNS bigint RETURN 0")
