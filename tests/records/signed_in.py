"""People who are signed in to a records database, without a key service: their DEKs are made here."""

import contextlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, LiteralString

from psycopg import sql

from tests.rig.postgres import TestDatabase
from vault_service.crypto.dek import DataKeys, Dek
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, DekId, RecordId, TenantId, UnlockId, UserId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.policy.load import load_policies
from vault_service.records.store import Record, RecordStore
from vault_service.sessions.begin import new_session
from vault_service.storage.pool import Database
from vault_service.storage.records.sessions import insert_session
from vault_service.storage.records.users import ensure_user, name_app

POLICIES = load_policies(Path(__file__).parents[2] / "policies")
TENANT = TenantId(new_uuid())
APP = AppId(new_uuid())
ANA = b'{"full_name": "Ana Silva",  "phone": "+351 912 345 678", "email": "Ana@Example.org"}'


@dataclass
class TestClock:
    """Stands still until it is moved."""

    __test__ = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass(frozen=True)
class Somebody:
    """A user with one session."""

    dek: Dek
    token: SessionToken

    @property
    def user(self) -> UserId:
        return self.dek.user


@dataclass
class Records:
    """The use cases on a real database, and what an attacker with SQL sees and does."""

    database: TestDatabase
    db: Database
    clock: TestClock = field(default_factory=TestClock)

    @property
    def store(self) -> RecordStore:
        return RecordStore(self.db, POLICIES, self.clock)

    def sign_up(self, *, must_change: bool = False) -> Somebody:
        """A new user, signed in."""
        dek = Dek.generate(TENANT, UserId(new_uuid()), DekId(new_uuid()))
        return Somebody(dek, self.sign_in(dek, must_change=must_change))

    def sign_in(
        self, dek: Dek, *, epoch: int = 1, must_change: bool = False, older: tuple[Dek, ...] = ()
    ) -> SessionToken:
        """One more session of a user, as the key service's answer would begin it."""
        token, row = new_session(
            DataKeys(dek, older),
            epoch=epoch,
            app=APP,
            unlock=UnlockId(new_uuid()),
            must_change=must_change,
            policy=POLICIES.sessions,
            now=self.clock(),
        )
        with self.db.transaction() as conn:
            name_app(conn, APP, "demo")
            ensure_user(conn, dek.user, dek.tenant, epoch, self.clock())
            insert_session(conn, row)
        return token

    def keep(self, who: Somebody, fields: bytes = ANA, collection: str = "contact") -> Record:
        """A stored record."""
        record, _ = self.store.create(who.token, collection, fields)
        return record

    def sql(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """As a superuser of the database."""
        with self.database.superuser() as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def rows(self, who: Somebody, table: Literal["records", "record_tags", "idempotency"]) -> int:
        """How many rows of a user there are."""
        statement = sql.SQL("SELECT count(*) FROM {} WHERE user_id = %(user)s").format(sql.Identifier(table))
        with self.database.superuser() as conn:
            row = conn.execute(statement, {"user": who.user}).fetchone()
        assert row is not None
        return int(str(row[0]))

    def events(self, who: Somebody) -> Counter[str]:
        """How many of each kind the trail holds."""
        rows = self.sql("SELECT kind FROM audit_events WHERE user_id = %(user)s", user=who.user)
        return Counter(RecordsEvent(row[0]).name.lower() for row in rows)

    def events_of(self, who: Somebody, record: RecordId) -> list[str]:
        """The kinds of one record's events, oldest first."""
        rows = self.sql(
            """SELECT kind FROM audit_events WHERE user_id = %(user)s AND record_id = %(record)s
               ORDER BY event_id""",
            user=who.user,
            record=record,
        )
        return [RecordsEvent(row[0]).name.lower() for row in rows]

    @contextlib.contextmanager
    def counted(self) -> Iterator["RoundTrips"]:
        """Counts the round trips of a pool with one connection, from libpq's own trace."""
        trips = RoundTrips()
        with tempfile.NamedTemporaryFile() as trace:
            with self.db.connection() as conn:
                conn.pgconn.trace(trace.fileno())
            try:
                yield trips
            finally:
                with self.db.connection() as conn:
                    conn.pgconn.untrace()
                trips.trace = Path(trace.name).read_text("ascii", errors="replace")


class RoundTrips:
    """What the client sent while it was traced."""

    trace = ""

    def count(self) -> int:
        """A Sync or a simple Query each ask for one answer."""
        sent = [line.split("\t")[1:4:2] for line in self.trace.splitlines()]
        return sum(1 for message in sent if message in (["F", "Sync"], ["F", "Query"]))


def answered(record: Record) -> Record:
    """A record as a later reading gives it: warnings accompany writes only."""
    return replace(record, warnings=())
