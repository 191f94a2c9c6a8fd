"""A sealed log made in a test's own database by a small sealer of the tests' own, with keys of its own.

So what is exported is compared with what was put there, and a tamperer can be given the sealer's power.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.rig.postgres import TestDatabase
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.logs import LogName, key_name
from vault_service.storage.audit.reading import read_leaves
from vault_service.storage.audit.tiles import tile_reader, write_tiles
from vault_service.tlog import merkle, tiles
from vault_service.tlog.checkpoint import Checkpoint
from vault_service.tlog.cosignature import cosign
from vault_service.tlog.keys import COSIGNATURE, ED25519, Signature, VerifierKey
from vault_service.tlog.note import Note, format_note

FINGERPRINT = "5e" * 32
BEGIN = datetime(2026, 11, 27, 9, tzinfo=UTC)


@dataclass
class Notary:
    """The keys that sign and cosign."""

    log_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    cosigner_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    time: int = 1_800_000_000

    def verifier(self, log: LogName) -> VerifierKey:
        return VerifierKey(key_name(FINGERPRINT, log), ED25519, self.log_key.public_key().public_bytes_raw())

    @property
    def cosigner(self) -> VerifierKey:
        return VerifierKey("tests/witness", COSIGNATURE, self.cosigner_key.public_key().public_bytes_raw())

    def key_file(self) -> str:
        logs: tuple[LogName, ...] = ("keys", "records")
        signing = "".join(f"signing {self.verifier(log).format()}\n" for log in logs)
        return f"{signing}cosigning {self.cosigner.format()}\n"

    def note(self, log: LogName, size: int, root: bytes) -> str:
        self.time += 1
        key = self.verifier(log)
        body = Checkpoint(key.name, size, root).body()
        signature = Signature(key.name, key.key_id, self.log_key.sign(body.encode()))
        cosigned = cosign(self.cosigner_key, self.cosigner.name, body, self.time)
        return format_note(Note(body, (signature, cosigned)))


@dataclass
class SealedLog:
    """One log of one database."""

    db: TestDatabase
    log: LogName
    notary: Notary

    def seal(self) -> str:
        """Make a leaf of each event that is none, and a checkpoint. Returns its note."""
        with self.db.superuser() as conn, conn.transaction():
            row = conn.execute("SELECT size FROM audit_tree").fetchone()
            assert row is not None
            size = int(str(row[0]))
            conn.execute(
                """INSERT INTO audit_leaves (leaf_index, user_id, event_id)
                   SELECT %s - 1 + row_number() OVER (ORDER BY e.at, e.event_id), e.user_id, e.event_id
                   FROM audit_events e
                   WHERE NOT EXISTS (SELECT FROM audit_leaves l WHERE l.event_id = e.event_id)""",
                [size],
            )
            hashes: list[bytes] = []
            while page := read_leaves(conn, self.log, size + len(hashes), 1 << 62):
                hashes += [merkle.leaf_hash(leaf or b"") for _, leaf in page]
            new, changed = tiles.appended(tile_reader(conn), size, hashes)
            write_tiles(conn, changed)
            conn.execute("UPDATE audit_tree SET size = %s", [new])
            note = self.notary.note(self.log, new, tiles.root(tile_reader(conn), new))
            conn.execute(
                """INSERT INTO audit_checkpoints VALUES (%s, %s, clock_timestamp() + '1 hour')
                   ON CONFLICT (tree_size) DO UPDATE SET note = excluded.note""",
                [new, note],
            )
        return note

    def tamper(self, *statements: str) -> None:
        """As a superuser who has switched the triggers off."""
        with self.db.superuser() as conn:
            for table in ("audit_events", "audit_leaves", "audit_tiles", "audit_checkpoints"):
                conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            for statement in statements:
                conn.execute(statement.encode())


@dataclass
class SealedVault:
    """Both logs, with sessions that fit together."""

    keys: SealedLog
    records: SealedLog
    sessions: int = 0
    users: list[UUID] = field(default_factory=list)

    def traffic(self, sessions: int, reads: int) -> None:
        """Sessions, each unlocked once, each reading some records."""
        at = BEGIN + timedelta(seconds=self.sessions)
        self.sessions += sessions
        with self.keys.db.superuser() as keys, self.records.db.superuser() as records:
            for i in range(sessions):
                user, unlock, session, app = (uuid4() for _ in range(4))
                self.users.append(user)
                moment = at + timedelta(seconds=i)
                keys.execute(
                    """INSERT INTO audit_events
                         (user_id, event_id, kind, at, app_id, unlock_id, epoch, login_index)
                       VALUES (%s, gen_random_uuid(), %s, %s, %s, %s, 1, '\\x0102')""",
                    [user, int(KeysEvent.UNLOCKED), moment, app, unlock],
                )
                records.execute(
                    """INSERT INTO audit_events
                         (user_id, event_id, kind, at, app_id, session_id, unlock_id, record_id)
                       SELECT %s, gen_random_uuid(), CASE g WHEN 0 THEN %s ELSE %s END,
                              %s + g * interval '1 ms', %s, %s, %s,
                              CASE WHEN g > 0 THEN gen_random_uuid() END
                       FROM generate_series(0, %s) g""",
                    [user, int(RecordsEvent.SESSION_OPENED), int(RecordsEvent.RECORD_READ), moment, app,
                     session, unlock, reads],
                )  # fmt: skip

    def seal(self) -> None:
        self.records.seal()
        self.keys.seal()


def sealed_vault(keys: TestDatabase, records: TestDatabase) -> SealedVault:
    """Nothing in it yet."""
    notary = Notary()
    return SealedVault(SealedLog(keys, "keys", notary), SealedLog(records, "records", notary))
