"""Rotations of the pepper as a worker has them done, and what stands in the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from tests.dev.waiting import until
from tests.rig.vault import Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, UserId, new_uuid
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import BatchRewrapped, RewrapBatch, VerifyWraps
from vault_service.kms.rotation.verify_wraps import verify_wraps
from vault_service.kms.service import KeyService
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.keys.peppered import HIGHEST
from vault_service.storage.keys.rotations import StoredRotation, insert_rotation, move_rotation


def begin(service: KeyService, *, to_gen: int) -> UUID:
    """A rotation of the pepper, running; it takes the place of one that was under way."""
    rotation, now = new_uuid(), service.now()
    row = StoredRotation(rotation, "pepper", to_gen, "running", 0, 1, 0, 0, 0, now, None, None)
    with service.db.transaction() as conn:
        conn.execute("UPDATE rotations SET state = 'finished' WHERE kind = 'pepper'")
        assert insert_rotation(conn, row)
    return rotation


def end(service: KeyService, rotation: UUID) -> None:
    with service.db.transaction() as conn:
        assert move_rotation(conn, rotation, "running", "finished", service.now())


@dataclass(frozen=True)
class Worker:
    """Has batches done by the running key service."""

    kms: KmsClient

    @classmethod
    @contextmanager
    def of(cls, vault: Vault) -> Iterator["Worker"]:
        kms = kms_client(KmsClientSettings(url=vault.socket("worker_keys")))
        try:
            yield cls(kms)
        finally:
            kms.close()

    def rewrap(self, rotation: UUID, after: UUID = NOBODY, upto: UUID = HIGHEST) -> BatchRewrapped:
        return self.kms.call(RewrapBatch(rotation, after, upto), BatchRewrapped)


TABLES: dict[str, LiteralString] = {
    "users": "SELECT * FROM users ORDER BY user_id",
    "logins": "SELECT * FROM logins ORDER BY login_index",
    "deks": "SELECT * FROM deks ORDER BY user_id, dek_id",
    "credentials": "SELECT * FROM credentials ORDER BY user_id",
    "escrow_wraps": "SELECT * FROM escrow_wraps ORDER BY user_id, dek_id, escrow_gen",
    "recovery_codes": "SELECT * FROM recovery_codes ORDER BY user_id",
    "regain_keys": "SELECT * FROM regain_keys ORDER BY case_id",
    "cases": "SELECT * FROM cases ORDER BY case_id",
    "guesses": "SELECT * FROM guesses ORDER BY login_index",
}
WRAPS = {
    "wrap", "pepper_gen", "regain_key", "regain_key_pepper_gen", "sealed_login",
}  # fmt: skip
"""Columns that a rotation of the pepper may change."""


def rows(vault: Vault, *, without: frozenset[str] | set[str] = frozenset()) -> dict[str, list[object]]:
    """Everything in the keys database that belongs to users, but for these columns."""
    found: dict[str, list[object]] = {}
    with vault.keys.superuser() as conn:
        for table, statement in TABLES.items():
            cursor = conn.execute(statement)
            names = [column.name for column in cursor.description or ()]
            found[table] = [
                tuple((name, value) for name, value in zip(names, row, strict=True) if name not in without)
                for row in cursor
            ]
    return found


def events_of(vault: Vault, user: UserId) -> list[KeysEvent]:
    """In their order."""
    with vault.keys.superuser() as conn:
        found = conn.execute(
            "SELECT kind FROM audit_events WHERE user_id = %(user)s ORDER BY event_id", {"user": user}
        ).fetchall()
    return [KeysEvent(row[0]) for row in found]


def as_superuser(vault: Vault, statement: LiteralString, **values: object) -> None:
    """Of the keys database, foreign keys and triggers aside."""
    with vault.keys.superuser() as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(statement, values)


def waits_for_a_lock(vault: Vault, *, transactions: int = 1) -> None:
    """Returns when so many transactions of this database do."""
    with vault.keys.superuser() as conn:

        def waiting() -> int:
            row = conn.execute(
                """SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'"""
            ).fetchone()
            return int(str(row[0])) if row else 0

        until(lambda: waiting() >= transactions)


def everything_opens(service: KeyService) -> bool:
    """The outer layer of every wrap of everybody."""
    return not verify_wraps(service, VerifyWraps(NOBODY, 2000)).failed


def move_everybody_out(vault: Vault) -> None:
    """No user is left, whatever a test before has made of them."""
    as_superuser(
        vault, "TRUNCATE users, logins, credentials, deks, escrow_wraps, recovery_codes, regain_keys CASCADE"
    )
    as_superuser(vault, "UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
    as_superuser(vault, "UPDATE rotations SET state = 'finished', ended_at = now() WHERE state <> 'finished'")
