"""Who may do what, table by table; and what nobody may do."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from vault_service.storage.roles import LAYOUTS, SIDES, Side

HELD = {"SELECT", "INSERT", "DELETE"}
CREDENTIAL_UPDATE = (
    "UPDATE(created_at credential_id dek_id epoch kdf_iterations kdf_lanes kdf_memory_kib kind must_change"
    " pepper_gen regain_case regain_case_hash regain_key regain_key_pepper_gen regain_pk salt used_at wrap)"
)

READ = {"SELECT"}
LOG: dict[str, set[str]] = {
    "audit_leaves": READ,
    "audit_tiles": READ,
    "audit_tree": READ,
    "audit_checkpoints": READ,
}
SEALED_BY_WORKER: dict[str, set[str]] = {
    "audit_leaves": {"SELECT", "INSERT"},
    "audit_tiles": {"SELECT", "INSERT", "UPDATE(hashes)"},
    "audit_tree": {"SELECT", "UPDATE(cluster last_event_id last_tx last_user_id size)"},
    "audit_checkpoints": {"SELECT", "INSERT", "UPDATE(covers_until note)"},
    "audit_outbox": {"SELECT", "INSERT", "UPDATE(failures last_error next_index not_before updated_at)"},
    "audit_dead_letters": {"SELECT", "INSERT", "DELETE"},
}
OUTBOX: dict[str, set[str]] = {"audit_outbox": READ, "audit_dead_letters": READ}

OFFICERS_EVENT = "INSERT(at case_id digest event_id kind officer_id user_id)"
OFFICERS_READ: dict[str, set[str]] = {
    "cases": READ,
    "proposed_manifests": READ,
    "approvals": READ,
    "ceremonies": READ,
    "releases": READ,
    "manifests": READ,
    "pin_generations": READ,
    "shares": READ,
}

# role -> table -> privileges; with columns where they do not hold for the whole table.
MAY: dict[str, dict[str, set[str]]] = {
    "vault_kms": {
        "tenants": {"SELECT", "INSERT"},
        "apps": {"SELECT", "INSERT", "UPDATE(revoked_at)"},
        "app_keys": {"SELECT", "INSERT", "UPDATE(expires_at)"},
        "logins": HELD,
        "users": HELD | {"UPDATE(dek_id epoch login_index login_index_gen pepper_gen sealed_login)"},
        "credentials": HELD | {CREDENTIAL_UPDATE},
        "deks": HELD | {"UPDATE(escrow_gen kept next_dek_id)"},
        "escrow_wraps": HELD | {"UPDATE(escrow_gen pepper_gen wrap)"},
        "guesses": {"SELECT", "INSERT", "UPDATE(carried failures not_before updated_at)"},
        "manifests": {"SELECT", "INSERT"},
        "pin_generations": {"SELECT", "INSERT"},
        "shares": {"SELECT", "INSERT"},
        "audit_events": {
            "SELECT",
            "INSERT(app_id at case_id digest epoch event_id kind login_index officer_id unlock_id user_id)",
        },
        **LOG,
        "signed_heads": {"SELECT", "INSERT", "UPDATE(note signed_at tree_size)"},
        "cases": {
            "SELECT", "INSERT", "UPDATE(ceremony_id closed_at result state wrong_identifications)",
        },
        "regain_keys": HELD | {"UPDATE(pepper_gen wrap)"},
        "proposed_manifests": {"SELECT", "INSERT"},
        "approvals": {"SELECT", "INSERT"},
        "ceremonies": {"SELECT", "INSERT", "UPDATE(closed_at)"},
        "notifications": {"INSERT", "SELECT(audience case_id created_at not_before what)"},
        "pepper_generations": HELD,
        "login_index_generations": HELD,
        "escrow_generations": HELD,
        "rotations": {
            "SELECT", "INSERT", "UPDATE(ended_at looked_at next_at progress_at rate rewrapped state workers)",
        },
        "rotation_failures": HELD,
        "rotation_samples": {"INSERT"},
        "data_key_demands": HELD,
        "recovery_codes": HELD | {"UPDATE(code_id created_at dek_id epoch pepper_gen wrap)"},
    },
    "vault_worker_keys": {
        "audit_events": READ,
        **SEALED_BY_WORKER,
        "guesses": {"SELECT(carried failures login_index updated_at)", "DELETE"},
        "cases": {
            ("SELECT(app_id case_id closed_at decoy expires_at kind not_before opened_at state user_id"
            " waited_s)"),
            "UPDATE(waited_s)",
        },
        "notifications": {"SELECT", "UPDATE(failures last_error not_before sent_at)", "DELETE"},
        "apps": {"SELECT(app_id name)"},
        "manifests": {"SELECT(created_at serial)"},
        "users": {"SELECT(user_id)"},
        "rotations": {"SELECT", "UPDATE(next_at)"},
        "rotation_failures": READ,
        "rotation_plans": HELD | {"UPDATE(not_before sweep upto)"},
    },
    "vault_recovery": {
        **OFFICERS_READ,
        "approvals": {"SELECT", "INSERT"},
        "releases": {"SELECT", "INSERT"},
        "rotation_samples": READ,
        "apps": {"SELECT(app_id name)"},
        "passkey_counters": {"SELECT", "INSERT", "UPDATE(at sign_count)"},
        "invitations": {"SELECT", "INSERT"},
        "enrolments": {"SELECT", "INSERT"},
        "rotations": READ,
        "rotation_failures": READ,
        "audit_events": {OFFICERS_EVENT},
    },
    "vault_ceremony": {
        **OFFICERS_READ,
        "pin_generations": {"SELECT", "INSERT", "UPDATE(state)"},
        "shares": HELD,
        "audit_events": {OFFICERS_EVENT},
    },
    "vault_disclosure": {
        "users": {"SELECT(tenant_id user_id)"},
        "records": {
            "SELECT(collection_tag created_at dek_id record_id sealed updated_at user_id version)",
        },
    },
    "vault_api": {
        "apps": {"SELECT", "INSERT", "UPDATE(name)"},
        "users": HELD | {"UPDATE(epoch)"},
        "sessions": HELD | {"UPDATE(last_seen older_deks older_wraps)"},
        "records": HELD | {"UPDATE(collection_tag dek_id sealed updated_at version)"},
        "record_tags": HELD,
        "sign_ups": HELD,
        "idempotency": HELD,
        "intents": HELD,
        "audit_events": {
            "SELECT", "INSERT(app_id at event_id kind n record_id session_id unlock_id user_id)",
        },
        **LOG,
    },
    "vault_worker_records": {
        "users": {"SELECT", "UPDATE(epoch)", "DELETE"},
        "sessions": {"SELECT(epoch expires_at session_id user_id)", "DELETE"},
        "records": {"SELECT(record_id user_id)", "DELETE"},
        "idempotency": {"SELECT(created_at key_hash user_id)", "DELETE"},
        "sign_ups": {"SELECT", "DELETE"},
        "intents": {"SELECT", "DELETE"},
        "audit_events": {
            "SELECT", "INSERT(app_id at digest event_id kind n record_id session_id unlock_id user_id)",
        },
        **SEALED_BY_WORKER,
        "witnessed_heads": {"SELECT", "INSERT", "UPDATE(at note tree_size)"},
        "followed": {"SELECT", "UPDATE(generation next_index)"},
        "officer_actions": HELD,
    },
    "vault_auditor_keys": {
        "audit_events": READ, **LOG, **OUTBOX, "signed_heads": READ, "manifests": READ,
    },
    "vault_auditor_records": {"audit_events": READ, **LOG, **OUTBOX, "witnessed_heads": READ},
    "vault_keys_migrator": {},
    "vault_records_migrator": {},
    "PUBLIC": {},
}  # fmt: skip


@pytest.fixture(scope="module", params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    """Each side in turn."""
    return "keys" if request.param == "keys" else "records"


@pytest.fixture(scope="module")
def database(postgres: TestServer, side: Side) -> Iterator[TestDatabase]:
    """One database for all of this module's tests of a side."""
    with fresh_database(postgres, side) as fresh:
        yield fresh


def privileges(database: TestDatabase, role: str) -> dict[str, set[str]]:
    """As the catalogue has them; columns only where the whole table is not granted."""
    found: dict[str, set[str]] = {}
    with database.superuser() as conn:
        for table, privilege in conn.execute(
            """SELECT table_name::text, privilege_type::text FROM information_schema.table_privileges
               WHERE table_schema = 'public' AND grantee = %s""",
            [role],
        ):
            found.setdefault(str(table), set()).add(str(privilege))
        for table, privilege, columns in conn.execute(
            """SELECT table_name::text, privilege_type::text,
                      string_agg(column_name, ' ' ORDER BY column_name::text)
               FROM information_schema.column_privileges
               WHERE table_schema = 'public' AND grantee = %s GROUP BY 1, 2""",
            [role],
        ):
            if str(privilege) not in found.setdefault(str(table), set()):
                found[str(table)].add(f"{privilege}({columns})")
    return found


def test_each_role_may_do_exactly_this(database: TestDatabase, side: Side) -> None:
    looks = {"schema_migrations": {"SELECT(name number)"}}  # each process, whether the schema fits
    processes = [process.name for process in LAYOUTS[side].processes]
    for role in (*LAYOUTS[side].logins, "PUBLIC"):
        assert privileges(database, role) == MAY[role] | (looks if role in processes else {}), role


def test_roles_of_the_other_side_cannot_even_connect(database: TestDatabase, side: Side) -> None:
    """vault_api has no way to a wrap, and vault_kms none to a record."""
    other: Side = "records" if side == "keys" else "keys"
    for role in LAYOUTS[other].logins:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            database.connect(role)


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_no_role_can_connect_to_the_servers_own_databases(
    database: TestDatabase, side: Side, name: str
) -> None:
    for role in LAYOUTS[side].logins:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(database.dsn(role), dbname=name, password=database.password(role))


def test_no_role_can_hide_data_in_large_objects(database: TestDatabase, side: Side) -> None:
    for role in LAYOUTS[side].logins:
        for statement in (
            "SELECT lo_creat(-1)",
            "SELECT lo_create(0)",
            "SELECT lo_from_bytea(0, 'hidden')",
            "SELECT lo_put(1, 0, 'hidden')",
            "SELECT lo_get(1)",
            "SELECT lo_open(1, 262144)",
            "SELECT loread(0, 1)",
            "SELECT lowrite(0, 'hidden')",
            "SELECT lo_unlink(1)",
        ):
            with (
                database.connect(role) as conn,
                pytest.raises(psycopg.errors.InsufficientPrivilege, match="for function"),
            ):
                conn.execute(statement.encode())


@pytest.mark.parametrize("name", ["vault_kms", "vault_worker_keys", "vault_api", "vault_worker_records"])
def test_no_process_can_make_or_change_tables(database: TestDatabase, side: Side, name: str) -> None:
    if name not in LAYOUTS[side].logins:
        name = LAYOUTS[side].processes[0].name
    for statement in (
        "CREATE TABLE mine (x int)",
        "CREATE TEMPORARY TABLE mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE users ADD mine int",
        "ALTER TABLE audit_events DISABLE TRIGGER append_only",
        "DROP TRIGGER append_only ON audit_events",
        "DROP TABLE audit_events",
        f"SET ROLE {LAYOUTS[side].owner}",
        "SET session_replication_role = replica",
    ):
        with database.connect(name) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(statement.encode())


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("vault_worker_keys", "SELECT wrap FROM credentials"),
        ("vault_worker_keys", "SELECT wrap FROM escrow_wraps"),
        ("vault_worker_keys", "SELECT sealed FROM shares"),
        ("vault_worker_records", "SELECT sealed FROM records"),
        ("vault_worker_records", "SELECT dek_wrap FROM sessions"),
        ("vault_worker_records", "SELECT secret_hash FROM sessions"),
        ("vault_worker_records", "SELECT answer FROM idempotency"),
    ],
)
def test_workers_read_no_wrap_and_no_ciphertext(postgres: TestServer, role: str, statement: str) -> None:
    with (
        fresh_database(postgres, "keys" if role.endswith("keys") else "records") as database,
        database.connect(role) as conn,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        conn.execute(statement.encode())


def test_no_process_can_move_a_row_to_another_user(database: TestDatabase, side: Side) -> None:
    """Which also makes user_id fit to distribute the tables by: it never changes."""
    with database.superuser() as conn:
        tables = [
            str(row[0])
            for row in conn.execute(
                """SELECT table_name::text FROM information_schema.columns
                   WHERE table_schema = 'public' AND column_name = 'user_id'"""
            )
        ]
    for process in LAYOUTS[side].processes:
        for table in tables:
            with database.connect(process.name) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"UPDATE {table} SET user_id = gen_random_uuid()".encode())


def test_nobody_but_the_owner_owns_anything(database: TestDatabase, side: Side) -> None:
    with database.superuser() as conn:
        owners = conn.execute(
            """SELECT DISTINCT pg_get_userbyid(owner) FROM (
                 SELECT relowner AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                 UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()) owned"""
        ).fetchall()

    assert owners == [(LAYOUTS[side].owner,)]


def test_nobody_can_choose_when_an_event_was_written(database: TestDatabase, side: Side) -> None:
    """The sealer takes what lies below a transaction id: a false one would never be sealed."""
    role = LAYOUTS[side].processes[0].name
    with database.connect(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, tx)
               VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), '9223372036854775807'::xid8)"""
        )


# --- what was written stays


CHANGES = ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE")
TRAILS: dict[Side, dict[str, str]] = {
    "keys": {"audit_events": "kind", "manifests": "serial"},
    "records": {"audit_events": "kind"},
}


def become(database: TestDatabase, who: str) -> "psycopg.Connection[tuple[object, ...]]":
    """A connection of somebody who would like to change the trail, as powerful as they can be."""
    layout = LAYOUTS[database.side]
    if who == "owner":
        conn = database.connect(layout.migrator)
        conn.execute(f"SET ROLE {layout.owner}".encode())
    elif who in {"superuser", "superuser as a replica"}:
        conn = database.superuser()
        if who == "superuser as a replica":  # where ordinary triggers and foreign keys are off
            conn.execute("SET session_replication_role = replica")
    else:
        conn = database.connect({"migrator": layout.migrator, "process": layout.processes[0].name,
                                 "worker": layout.processes[1].name}[who])  # fmt: skip
    return conn


@pytest.mark.parametrize(
    "who", ["process", "worker", "migrator", "owner", "superuser", "superuser as a replica"]
)
def test_nobody_can_change_or_remove_what_was_written(database: TestDatabase, who: str) -> None:
    with database.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at)
               VALUES (gen_random_uuid(), gen_random_uuid(), 1, now())"""
        )
        if database.side == "keys":
            conn.execute(
                """INSERT INTO manifests VALUES (1, '', decode(repeat('00', 64), 'hex'), '', now())
                   ON CONFLICT DO NOTHING"""
            )
    for table, column in TRAILS[database.side].items():
        for change in CHANGES:
            with become(database, who) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(change.format(table, column, column).encode())
