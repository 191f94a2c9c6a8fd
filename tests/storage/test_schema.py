"""The schema that the migrations make: as expected word by word, and fit to be distributed by user."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.rig.postgres import TestDatabase, TestServer, fresh_database
from vault_service.storage.roles import SIDES, Side

# Tables that are not keyed by the user, and why that is no hindrance.
KEYED_OTHERWISE = {
    "tenants": "few rows, the same on every node",
    "apps": "few rows, the same on every node",
    "app_keys": "few rows, the same on every node",
    "logins": "distributed by the login's index, on its own",
    "guesses": "distributed by the login's index, on its own",
    "sign_ups": "distributed by the app; there is no user yet",
    "manifests": "one row a change of officers or keys",
    "pin_generations": "one row a ceremony",
    "shares": "a few rows a ceremony",
    "schema_migrations": "one row a release",
    "audit_leaves": "one log a database, on the worker's node",
    "audit_tiles": "one log a database, on the worker's node",
    "audit_tree": "one row",
    "audit_checkpoints": "one log a database, on the worker's node",
    "audit_outbox": "one row a receiver",
    "audit_dead_letters": "a few rows a receiver",
    "signed_heads": "one row a log and accepted restore",
    "witnessed_heads": "one row a log and accepted restore",
    "cases": "found by their ids, decoys too; grows with recoveries, not with users",
    "regain_keys": "a row a regain",
    "proposed_manifests": "a row an officer change",
    "approvals": "a few rows a case",
    "ceremonies": "a row a ceremony",
    "releases": "a few rows a ceremony",
    "notifications": "a few rows a case",
    "followed": "one row",
    "pepper_generations": "one row a generation",
    "login_index_generations": "one row a generation",
    "escrow_generations": "one row a generation",
    "rotations": "one row a rotation",
    "passkey_counters": "one row a passkey of an officer",
    "invitations": "one row an officer who is invited",
    "enrolments": "one row an invitation",
    "rotation_plans": "one row a rotation",
    "rotation_failures": "few rows: wraps that somebody altered",
    "rotation_samples": "a row a minute, while a rotation runs",
}
RENEW = "VAULT_RENEW_SCHEMA"


def dump(server: TestServer, name: str) -> str:
    """pg_dump's account of a schema with its privileges, without what differs from run to run."""
    dsn = f"{server.cluster.admin_dsn} dbname={name}"
    done = subprocess.run(
        # The schema `jobs` is a package's, pinned by its hash: see test_job_queue_schema.py.
        [server.cluster.programs / "pg_dump", "--schema-only", "--exclude-schema=jobs", "--dbname", dsn],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    kept = [
        line for line in done.stdout.splitlines() if not re.match(r"--|SET |SELECT pg_catalog|\\|\s*$", line)
    ]
    return "\n".join(kept) + "\n"


@pytest.mark.parametrize("side", SIDES)
def test_the_migrated_schema_is_the_expected_one(postgres: TestServer, side: Side) -> None:
    """To renew it: VAULT_RENEW_SCHEMA=1 .venv/bin/pytest tests/storage/test_schema.py, then read the diff."""
    expected = Path(__file__).with_name(f"expected_{side}.sql")
    with fresh_database(postgres, side) as database:
        found = dump(postgres, database.name)
    if os.environ.get(RENEW):
        expected.write_text(found, "utf-8")

    assert found == expected.read_text("utf-8")


@pytest.mark.parametrize("side", SIDES)
def test_every_table_that_grows_is_keyed_by_user_first(postgres: TestServer, side: Side) -> None:
    """So that an existing engine can distribute it; every unique constraint must then hold the user too."""
    with fresh_database(postgres, side) as database, database.superuser() as conn:
        keys = conn.execute(
            """SELECT c.relname::text, i.indisprimary, a.attname::text
               FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
               WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique"""
        ).fetchall()
        tables = conn.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").fetchall()

    assert {table for table, primary, _ in keys if primary} == {row[0] for row in tables}
    strays = {table for table, _, first in keys if first != "user_id"}
    assert strays <= KEYED_OTHERWISE.keys()


def test_the_trail_comes_in_the_order_of_commits(keys_db: TestDatabase) -> None:
    """Each event carries its transaction's id, by which the sealer knows what can still appear."""
    insert = """INSERT INTO audit_events (user_id, event_id, kind, at)
                VALUES (gen_random_uuid(), gen_random_uuid(), 1, now())"""
    with keys_db.connect("vault_kms") as conn:
        with conn.transaction():
            conn.execute(insert)
            inside = conn.execute("SELECT pg_current_xact_id()::text").fetchone()
        written = conn.execute("SELECT tx::text FROM audit_events").fetchone()

    assert written == inside
