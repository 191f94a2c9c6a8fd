"""What stands in a database: its events, and all else with the transactions that wrote it."""

from dataclasses import dataclass

from psycopg import sql

from tests.rig.postgres import TestDatabase

# Written before or after what they are about, each as a transaction of its own: a guess is counted
# before the password is looked at, and what may need repair is noted before it begins.
# What the key service signed for a worker is in the log by itself; how far one log was followed, and what of
# it may not be shown yet, repeats what stands there. How often a passkey has signed is counted before
# anything is done with what it signed.
BOOKKEEPING = {
    "guesses", "sign_ups", "intents", "signed_heads", "followed", "officer_actions", "passkey_counters",
}  # fmt: skip


@dataclass(frozen=True)
class State:
    """One database: its events (id -> transaction, kind), and all other rows (-> who wrote them)."""

    events: dict[str, tuple[int, int]]
    rows: dict[tuple[str, str], int]

    @classmethod
    def of(cls, database: TestDatabase) -> "State":
        with database.superuser() as conn:
            events = conn.execute("SELECT event_id::text, tx::text, kind FROM audit_events").fetchall()
            tables = conn.execute(
                """SELECT tablename::text FROM pg_tables
                   WHERE schemaname = 'public' AND tablename <> 'audit_events'"""
            ).fetchall()
            rows: dict[tuple[str, str], int] = {}
            for (table,) in tables:
                # last_seen moves once a minute, whenever somebody is seen.
                query = sql.SQL("SELECT (to_jsonb(t) - 'last_seen')::text, xmin::text FROM {} t")
                for row, xmin in conn.execute(query.format(sql.Identifier(str(table)))):
                    rows[str(table), str(row)] = int(str(xmin))
        return cls({str(e): (int(str(tx)), int(str(kind))) for e, tx, kind in events}, rows)

    def since(self, before: "State") -> "State":
        """What is new or changed."""
        return State(
            {event: what for event, what in self.events.items() if event not in before.events},
            {row: xmin for row, xmin in self.rows.items() if row not in before.rows},
        )

    @property
    def kinds(self) -> set[int]:
        return {kind for _, kind in self.events.values()}

    @property
    def data(self) -> set[tuple[str, str]]:
        return {(table, row) for table, row in self.rows if table not in BOOKKEEPING}
