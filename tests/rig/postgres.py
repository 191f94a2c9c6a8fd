"""A private PostgreSQL for a test session, and freshly migrated databases for each test."""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg_pool import PoolTimeout

from vault_service.dev import process
from vault_service.dev.cluster import Cluster
from vault_service.storage.migrate import migrate
from vault_service.storage.pool import Database, open_database
from vault_service.storage.roles import LAYOUTS, Side, create_server_roles, grant_connect

_numbers = itertools.count(1)


@dataclass
class TestServer:
    """A running server; `process` changes when a test restarts it."""

    __test__ = False
    cluster: Cluster
    folder: Path
    server: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        self.cluster.stop(self.server)

    def start(self) -> None:
        self.server = self.cluster.start(self.folder / "postgres.log")

    def admin(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.cluster.admin_dsn, dbname=database, autocommit=True)


@dataclass(frozen=True)
class TestDatabase:
    """One migrated database of one side."""

    __test__ = False
    server: TestServer
    side: Side
    name: str

    def dsn(self, role: str) -> str:
        """Without a password."""
        return f"host={self.server.cluster.sockets} dbname={self.name} user={role}"

    def password_file(self, role: str) -> Path:
        return self.server.folder / "passwords" / f"{role}.password"

    def password(self, role: str) -> str:
        return self.password_file(role).read_text("ascii")

    def connect(self, role: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of one role, as an attacker with its password would make one."""
        return psycopg.connect(self.dsn(role), password=self.password(role), autocommit=True)

    def superuser(self) -> "psycopg.Connection[tuple[object, ...]]":
        return self.server.admin(self.name)

    def open(self, role: str, size: int = 8, *, patience_s: int = 0, options: str = "") -> Database:
        """A pool as a process opens it; or one whose statements bear it that a test holds them up so long.

        `options`: of its connections, as libpq hands them on.
        """
        if patience_s:
            options += f" -c lock_timeout={patience_s}s -c statement_timeout={patience_s}s"
        dsn = self.dsn(role) + (f" options='{options}'" if options else "")
        return connected(open_database(dsn, self.password(role), size=size, name=self.side))


def connected(db: Database) -> Database:
    """The same with a connection: a request waits 0.6 s for one, and a busy machine may take longer."""
    with contextlib.suppress(PoolTimeout):  # of a server that is away
        db._pool.wait(10)
    return db


@contextlib.contextmanager
def running_server(folder: Path, *, durable: bool = False) -> Iterator[TestServer]:
    """initdb, start, migrate one template a side; stop at the end, whatever happened."""
    user = process.find_user("postgres") if os.geteuid() == 0 else process.current_user()
    for name, mode in (("postgres", 0o700), ("sockets", 0o755)):
        (folder / name).mkdir()
        process.give(folder / name, user, mode)
    cluster = Cluster(
        folder / "postgres", folder / "sockets", folder / "superuser.password", user, durable=durable
    )
    cluster.create()
    server = TestServer(cluster, folder, cluster.start(folder / "postgres.log"))
    try:
        for side in LAYOUTS:
            _make_template(server, side)
        yield server
    finally:
        server.stop()


def _make_template(server: TestServer, side: Side) -> None:
    name = f"template_{side}"
    files = create_server_roles(server.cluster.admin_dsn, side, server.folder / "passwords", database=name)
    migrator = LAYOUTS[side].migrator
    dsn = f"host={server.cluster.sockets} dbname={name} user={migrator}"
    migrate(dsn, files[migrator].read_text("ascii"), side)


def refill(server: TestServer, side: Side, name: str, source: str) -> None:
    """Make a database, anew if it is there, a copy of another one; nobody is connected to either."""
    with server.admin() as conn:
        conn.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        conn.execute(
            # Not by way of the write-ahead log: a third of the time.
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(source), sql.Identifier(LAYOUTS[side].owner)
            )
        )
        grant_connect(conn, name, LAYOUTS[side])


@contextlib.contextmanager
def fresh_database(server: TestServer, side: Side) -> Iterator[TestDatabase]:
    """A copy of the migrated template, dropped at the end."""
    with copied_database(server, side, f"template_{side}") as database:
        yield database


@contextlib.contextmanager
def copied_database(server: TestServer, side: Side, source: str) -> Iterator[TestDatabase]:
    """A copy of a database that nobody is connected to, dropped at the end."""
    name = f"test_{side}_{next(_numbers)}"
    refill(server, side, name, source)
    try:
        yield TestDatabase(server, side, name)
    finally:
        with contextlib.suppress(psycopg.OperationalError), server.admin() as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
