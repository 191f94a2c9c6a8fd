"""Databases and roles of one server, each role with the least that its process needs.

Nobody but a NOLOGIN owner owns tables, and only the migrator may take that role. Passwords are
random, sent to the server as SCRAM verifiers and kept in files that only their owner may read.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, LiteralString

import psycopg
from psycopg import Connection, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vault_service.domain.errors import ConfigurationError
from vault_service.storage.dsn import read_dsn
from vault_service.storage.errors import translated

Side = Literal["keys", "records"]
SIDES: tuple[Side, ...] = ("keys", "records")


@dataclass(frozen=True, slots=True)
class Role:
    """A login of one process, and how long its statements may take and wait for a lock."""

    name: LiteralString
    statement_timeout: LiteralString
    lock_timeout: LiteralString = "1500ms"


# A request is answered within 2 s also when a table or the whole server hangs. The first statement that
# gets no further is its last one; before it, the request may have waited for a connection. At worst:
#   behind a lock                  pool.WAIT_S 0.6 s + lock_timeout 0.8 s                              1.4 s
#   in a statement that hangs      pool.WAIT_S 0.6 s + statement_timeout 1.1 s                         1.7 s
#   at a server that is frozen     pool.WAIT_S 0.6 s + statement_timeout 1.1 s + connection.GRACE_S    1.9 s
# Only one of the two databases adds to that: where the first does not answer, the second is not asked.
# A batch of many or large records may take longer, by its size (records/service.py).
_REQUEST_STATEMENT, _REQUEST_LOCK = "1100ms", "800ms"
# Below every lock_timeout: of two transactions that wait for one another one goes on then, and the other is
# told that it may be repeated. With PostgreSQL's second both would be given up, and nobody would know why.
_DEADLOCK: LiteralString = "300ms"


@dataclass(frozen=True, slots=True)
class Layout:
    """What one side's server holds."""

    database: LiteralString
    owner: LiteralString
    migrator: LiteralString
    processes: tuple[Role, ...]

    @property
    def logins(self) -> tuple[LiteralString, ...]:
        """Every role with a password."""
        return (self.migrator, *(process.name for process in self.processes))


LAYOUTS: dict[Side, Layout] = {
    "keys": Layout(
        "vault_keys",
        "vault_keys_owner",
        "vault_keys_migrator",
        (
            Role("vault_kms", _REQUEST_STATEMENT, _REQUEST_LOCK),
            Role("vault_recovery", "5s"),
            Role("vault_ceremony", "10s"),
            Role("vault_worker_keys", "30s"),
            Role("vault_auditor_keys", "60s"),
        ),
    ),
    "records": Layout(
        "vault_records",
        "vault_records_owner",
        "vault_records_migrator",
        (
            Role("vault_api", _REQUEST_STATEMENT, _REQUEST_LOCK),
            Role("vault_disclosure", "60s"),
            Role("vault_worker_records", "30s"),
            Role("vault_auditor_records", "60s"),
        ),
    ),
}


def create_server_roles(
    admin_dsn: str, side: Side, passwords_dir: Path, *, database: str | None = None, rotate: bool = False
) -> dict[str, Path]:
    """Make what is missing of one side's roles and its database; may be repeated.

    Returns role -> file with its password (0600); a file that exists keeps its password and its owner,
    unless `rotate` asks for new passwords. Raises ConfigurationError for a dsn that would cross a network
    without a verified certificate, DatabaseUnavailableError when the server is away or the administrator
    may not do this.
    """
    read_dsn(admin_dsn, side, with_password=True)
    layout = LAYOUTS[side]
    name = database or layout.database
    passwords_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    with translated(side), psycopg.connect(admin_dsn, autocommit=True) as conn:
        _ensure_role(conn, layout.owner)
        conn.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(layout.owner)))
        for role in layout.logins:
            _ensure_role(conn, role)
            files[role] = passwords_dir / f"{role}.password"
            if rotate or not files[role].exists():
                _new_password(conn, role, files[role])
            else:
                _set_password(conn, role, files[role].read_text("ascii").strip())
        _grant_owner(conn, layout)
        _ensure_database(conn, name, layout)
        for process in layout.processes:
            _set_limits(conn, process)
        is_superuser = conn.info.parameter_status("is_superuser") == "on"
    if is_superuser:  # whom alone PostgreSQL lets take away what it gives to everybody
        with translated(side), psycopg.connect(admin_dsn, dbname=name, autocommit=True) as conn:
            _close_large_objects(conn)
            _close_public_schema(conn)
            _find_deadlocks_early(conn, layout)
    return files


def as_role(dsn: str, role: str) -> str:
    """The same database, as another role and without a password. Raises ConfigurationError."""
    try:
        return make_conninfo("", **{**conninfo_to_dict(dsn), "user": role, "password": None})
    except psycopg.Error as error:
        raise ConfigurationError(
            "the DSN cannot be read", remedy="Write it like: host=db1 dbname=vault_keys"
        ) from error


def _ensure_role(conn: Connection, role: str) -> None:
    if conn.execute("SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role}).fetchone() is None:
        conn.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))


def _set_password(conn: Connection, role: str, password: str) -> None:
    """The verifier is computed here, so that the password is in no log of the server."""
    verifier = conn.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    conn.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    )


def _new_password(conn: Connection, role: str, path: Path) -> None:
    """Set a random password; its file takes its place only when it is whole and the server has taken it."""
    password = secrets.token_urlsafe(32)
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)  # a run that was interrupted
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        if path.exists():
            before = path.stat()
            os.fchown(descriptor, before.st_uid, before.st_gid)
        file.write(password)
        file.flush()
        os.fsync(descriptor)
    _set_password(conn, role, password)
    beside.replace(path)


def _grant_owner(conn: Connection, layout: Layout) -> None:
    """NOINHERIT: the migrator must take the owner's role on purpose."""
    owner, migrator = sql.Identifier(layout.owner), sql.Identifier(layout.migrator)
    conn.execute(sql.SQL("ALTER ROLE {} NOINHERIT").format(migrator))
    conn.execute(sql.SQL("GRANT {} TO {}").format(owner, migrator))


def _ensure_database(conn: Connection, name: str, layout: Layout) -> None:
    database, owner = sql.Identifier(name), sql.Identifier(layout.owner)
    if conn.execute("SELECT FROM pg_database WHERE datname = %(name)s", {"name": name}).fetchone() is None:
        conn.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(database, owner)
        )
    grant_connect(conn, name, layout)


def grant_connect(conn: Connection, name: str, layout: Layout) -> None:
    """Let the roles of one side in, and nobody else; no role makes temporary tables."""
    database = sql.Identifier(name)
    conn.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for role in layout.logins:
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, sql.Identifier(role)))


def _close_large_objects(conn: Connection) -> None:
    """Everybody may make them: a hidden place to leave data in, and to fill the disk. Nothing here does."""
    conn.execute(
        r"""DO $$ DECLARE each regprocedure; BEGIN
             FOR each IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
                         AND (proname LIKE 'lo\_%' OR proname IN ('loread', 'lowrite')) LOOP
               EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', each);
             END LOOP; END $$"""
    )


def _close_public_schema(conn: Connection) -> None:
    """In a database that PostgreSQL 14 or an administrator made, everybody may make functions there.

    One whose arguments fit better than those of the server's own is taken instead of it, with the rights
    of whoever calls it (CVE-2018-1058).
    """
    conn.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def _find_deadlocks_early(conn: Connection, layout: Layout) -> None:
    """A setting that PostgreSQL lets only superusers change."""
    for role in layout.processes:
        conn.execute(
            sql.SQL("ALTER ROLE {} SET deadlock_timeout = {}").format(
                sql.Identifier(role.name), sql.Literal(_DEADLOCK)
            )
        )


def _set_limits(conn: Connection, role: Role) -> None:
    """A hung statement, lock or transaction ends by itself; plans are made once (measured: half the time)."""
    settings: dict[LiteralString, LiteralString] = {
        "statement_timeout": role.statement_timeout,
        "lock_timeout": role.lock_timeout,
        "idle_in_transaction_session_timeout": "10s",
        "plan_cache_mode": "force_generic_plan",
        "default_transaction_isolation": "read committed",
        "timezone": "UTC",
    }
    for name, value in settings.items():
        conn.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(
                sql.Identifier(role.name), sql.Identifier(name), sql.Literal(value)
            )
        )
