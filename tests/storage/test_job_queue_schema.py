"""The queue's tables: the package's own, pinned, and only the keys side's worker touches them."""

import hashlib
import importlib.resources
import re
import subprocess

import psycopg
import pytest

from tests.rig.postgres import TestDatabase, TestServer
from vault_service.domain.errors import ConfigurationError
from vault_service.storage.migrate import load_migrations
from vault_service.storage.packaged_sql import with_packaged
from vault_service.storage.roles import LAYOUTS

WORKER = "vault_worker_keys"
LINE = b"-- from procrastinate: sql/schema.sql sha256="

# table -> what the worker may; everybody else nothing.
MAY = {
    "procrastinate_jobs": "DELETE INSERT SELECT UPDATE(abort_requested attempts lock priority queue_name"
    " scheduled_at status worker_id)",
    "procrastinate_workers": "DELETE INSERT SELECT UPDATE(last_heartbeat)",
    "procrastinate_events": "INSERT",
    "procrastinate_periodic_defers": "SELECT(job_id) UPDATE(job_id)",
}


def may(conn: "psycopg.Connection[tuple[object, ...]]", role: str) -> dict[str, str]:
    found: dict[str, set[str]] = {}
    for table, privilege in conn.execute(
        """SELECT table_name::text, privilege_type::text FROM information_schema.table_privileges
           WHERE table_schema = 'jobs' AND grantee = %(role)s""",
        {"role": role},
    ):
        found.setdefault(str(table), set()).add(str(privilege))
    for table, privilege, columns in conn.execute(
        """SELECT table_name::text, privilege_type::text,
                  string_agg(column_name, ' ' ORDER BY column_name::text)
           FROM information_schema.column_privileges
           WHERE table_schema = 'jobs' AND grantee = %(role)s GROUP BY 1, 2""",
        {"role": role},
    ):
        if str(privilege) not in found.setdefault(str(table), set()):
            found[str(table)].add(f"{privilege}({columns})")
    return {table: " ".join(sorted(each)) for table, each in found.items()}


def test_only_the_worker_may_anything_with_the_queue(keys_db: TestDatabase) -> None:
    with keys_db.superuser() as conn:
        for role in (*LAYOUTS["keys"].logins, "PUBLIC"):
            assert may(conn, role) == (MAY if role == WORKER else {}), role
        schema = conn.execute("SELECT nspacl::text FROM pg_namespace WHERE nspname = 'jobs'").fetchone()
        callers = conn.execute(
            """SELECT DISTINCT a.grantee::regrole::text
               FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               WHERE p.pronamespace = 'jobs'::regnamespace"""
        ).fetchall()

    assert schema is not None
    assert set(re.findall(r"(\w*)=U", str(schema[0]))) == {"vault_keys_owner", WORKER}
    assert {row[0] for row in callers} == {"vault_keys_owner", WORKER}


def test_its_functions_run_as_the_caller_and_look_at_no_other_schema(keys_db: TestDatabase) -> None:
    """A table of the same name in another schema must not be taken for the queue's."""
    with keys_db.superuser() as conn:
        rows = conn.execute(
            """SELECT prosecdef, array_to_string(proconfig, ' ') FROM pg_proc
               WHERE pronamespace = 'jobs'::regnamespace"""
        ).fetchall()

    assert set(rows) == {(False, "search_path=jobs, pg_catalog, pg_temp")}


def test_the_schema_is_the_installed_packages(postgres: TestServer, keys_db: TestDatabase) -> None:
    """As `pg_dump` tells of both, but for what the migration adds."""
    schema = importlib.resources.files("procrastinate").joinpath("sql/schema.sql").read_text()
    with keys_db.superuser() as conn:
        conn.execute("CREATE SCHEMA theirs")
        conn.execute("SET search_path = theirs, pg_catalog")
        conn.execute(schema.encode())

    def dump(name: str) -> list[str]:
        done = subprocess.run(
            [
                postgres.cluster.programs / "pg_dump", "--schema-only", "--no-owner", "--no-privileges",
                f"--schema={name}", "--dbname", f"{postgres.cluster.admin_dsn} dbname={keys_db.name}",
            ],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        lines = re.sub(r"\b(jobs|theirs)\.", "", done.stdout).replace(f"SCHEMA {name}", "SCHEMA").splitlines()
        return [
            line.strip()
            for line in lines
            if not line.startswith(("--", "\\")) and "SET search_path TO" not in line and "AS $$" not in line
        ]

    assert dump("jobs") == dump("theirs")


def test_another_text_than_the_pinned_one_is_refused() -> None:
    """A package that was exchanged writes no function into the keys database."""
    (migration,) = (each for each in load_migrations("keys") if each.name == "0006_job_queue.sql")
    pinned = re.search(LINE + rb"([0-9a-f]{64})", migration.text)
    assert pinned is not None
    taken = with_packaged(pinned[0])

    assert hashlib.sha256(taken).hexdigest().encode() == pinned[1]
    with pytest.raises(ConfigurationError, match=r"another sql/schema\.sql"):
        with_packaged(migration.text.replace(pinned[1], b"0" * 64))
