"""Bring a database's schema up to date: numbered SQL files, checksummed, each in one transaction."""

import hashlib
import importlib.resources
import re
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import Connection, errors, sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus

from vault_service.domain.errors import ConfigurationError
from vault_service.storage.dsn import read_dsn
from vault_service.storage.errors import translated
from vault_service.storage.packaged_sql import with_packaged
from vault_service.storage.roles import LAYOUTS, Side

_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK_KEY = 0x7661756C74  # "vault": two migrators at once wait for each other
_TURN_TIMEOUT: Literal["60s"] = "60s"  # for another migrator to end
_LOCK_TIMEOUT: Literal["3s"] = "3s"  # rather fail than queue everybody behind a lock
_STATEMENT_TIMEOUT: Literal["10min"] = "10min"


class MigrationError(ConfigurationError):
    """The migrations and the database do not fit together."""

    code = "migration.refused"
    remedy = "Restore the released files; a change is a new file with the next number."


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    text: bytes

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's bytes, which hold the hash of what it takes from a package."""
        return hashlib.sha256(self.text).hexdigest()


def load_migrations(side: Side) -> tuple[Migration, ...]:
    """All files of one side, and those that both sides share, in order.

    Raises MigrationError on a gap or a misnamed file.
    """
    folders = (importlib.resources.files(f"vault_service.storage.{part}") for part in ("audit", side))
    files = (file for folder in folders for file in (folder / "migrations").iterdir())
    found: list[Migration] = []
    for file in sorted(files, key=lambda entry: entry.name):
        match = _NAME.match(file.name)
        if match is None:
            raise MigrationError(f"{file.name} is not named like 0001_what_it_does.sql")
        found.append(Migration(int(match[1]), file.name, file.read_bytes()))
    return check_order(found)


def check_order(found: list[Migration]) -> tuple[Migration, ...]:
    """Numbers from 1 without gap or double. Raises MigrationError."""
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"number {expected:04d} is missing or there twice, near {migration.name}")
    return tuple(found)


def migrate(
    dsn: str,
    password: str,
    side: Side,
    *,
    dry_run: bool = False,
    migrations: tuple[Migration, ...] | None = None,
) -> tuple[str, ...]:
    """Apply what is missing as the migrator; returns the names of those files.

    Raises MigrationError when an applied file was edited or removed, ConfigurationError for a dsn that
    is not safe, DatabaseUnavailableError.
    """
    known = load_migrations(side) if migrations is None else migrations
    read_dsn(dsn, side)
    conninfo = make_conninfo(dsn, password=password, connect_timeout=5)
    with translated(side), psycopg.connect(conninfo, autocommit=True) as conn:
        _take_owner_role(conn, side)
        conn.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
        conn.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(_STATEMENT_TIMEOUT)))
        if dry_run:
            return tuple(migration.name for migration in _pending(conn, known))
        with conn.transaction():
            _wait_for_turn(conn)
            conn.execute(
                """CREATE TABLE IF NOT EXISTS schema_migrations (
                     number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                     applied_at timestamptz NOT NULL DEFAULT now())"""
            )
        applied: list[str] = []
        while _apply_next(conn, known, applied):
            pass
        return tuple(applied)


def _take_owner_role(conn: Connection, side: Side) -> None:
    owner = LAYOUTS[side].owner
    try:
        conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
    except (errors.InsufficientPrivilege, errors.InvalidParameterValue) as error:
        raise MigrationError(
            f"this login may not take the role {owner}",
            remedy=f"Run vaultctl init-server --side {side} first, and use its {LAYOUTS[side].migrator}.",
        ) from error


def _wait_for_turn(conn: Connection) -> None:
    """Two migrators at once work one after the other; the lock ends with the transaction."""
    conn.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_TURN_TIMEOUT)))
    conn.execute("SELECT pg_advisory_xact_lock(%(key)s)", {"key": _LOCK_KEY})
    conn.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))


def _apply_next(conn: Connection, known: tuple[Migration, ...], applied: list[str]) -> bool:
    """One file in one transaction, under the lock: a second migrator finds it done."""
    with conn.transaction():
        _wait_for_turn(conn)
        pending = _pending(conn, known)
        if not pending:
            return False
        migration = pending[0]
        text = with_packaged(migration.text)
        try:
            conn.execute(text)
        except psycopg.Error as error:
            # It speaks of the schema, not of rows: a migration's author needs to read it.
            reason = f"{error.sqlstate}: {error.diag.message_primary or type(error).__name__}"
            raise MigrationError(
                f"{migration.name} failed and was taken back ({reason})",
                remedy="If a lock was not to be had (55P03), try again in a quieter hour; else correct it.",
            ) from error
        if conn.info.transaction_status != TransactionStatus.INTRANS:
            raise MigrationError(f"{migration.name} ends the transaction that it is applied in")
        conn.execute(
            """INSERT INTO schema_migrations (number, name, checksum)
               VALUES (%(number)s, %(name)s, %(checksum)s)""",
            {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
        )
    applied.append(migration.name)
    return True


def _pending(conn: Connection, known: tuple[Migration, ...]) -> tuple[Migration, ...]:
    there = conn.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
    if there is None or not there[0]:
        return known
    rows = conn.execute("SELECT number, name, checksum FROM schema_migrations ORDER BY number").fetchall()
    by_number = {migration.number: migration for migration in known}
    for expected, (number, name, checksum) in enumerate(rows, start=1):
        if number != expected:
            raise MigrationError(f"{name} was applied although number {expected:04d} was not")
        migration = by_number.get(number)
        if migration is None:
            raise MigrationError(f"{name} was applied, and this version does not have it")
        if migration.checksum != checksum:
            raise MigrationError(f"{name} was edited after it was applied")
    return known[len(rows) :]
