"""A vault whose keys log is sealed when a test says so, and its records worker's following."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from tests.rig.leaves import plant
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.accesses import accesses
from vault_service.accounts.follow import follow_keys
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_in import sign_in
from vault_service.accounts.sign_up import sign_up
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.policy.load import load_policies
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.audit.sequence import sequence
from vault_service.storage.pool import Database


@dataclass(frozen=True)
class Followed:
    """Users' side and worker's side of one vault."""

    vault: Vault
    api: AccountParts
    worker: AccountParts
    sealer: Database

    def person(self) -> "Subject":
        login = f"subject-{new_uuid().hex}@example.org"
        user = sign_up(self.api, self.vault.app_key, login, PASSWORD, None).user_id
        return Subject(self, login, user, sign_in(self.api, self.vault.app_key, login, PASSWORD).token)

    def seal(self) -> None:
        """As the keys side's worker does."""
        while sequence(self.sealer, "keys", 1000).added:
            pass

    def follow(self, worker: AccountParts | None = None) -> int:
        self.seal()
        return follow_keys(worker or self.worker)

    def cursor(self) -> tuple[int, int]:
        with self.vault.records.superuser() as conn:
            row = conn.execute("SELECT generation, next_index FROM followed").fetchone()
        assert row is not None
        return int(str(row[0])), int(str(row[1]))

    def put_cursor(self, generation: int, next_index: int) -> None:
        """As a restored database of either side leaves it."""
        with self.vault.records.superuser() as conn:
            conn.execute("UPDATE followed SET generation = %s, next_index = %s", (generation, next_index))


@dataclass(frozen=True)
class Subject:
    """Somebody whom officers do something about; signed in."""

    all: Followed
    login: str
    user: UserId
    token: SessionToken

    def officers(self, kind: KeysEvent, digest: bytes | None = None) -> UUID:
        """What a ceremony leaves in the keys trail."""
        return plant(self.all.vault.keys, kind, self.user, digest=digest)

    def raise_epoch(self) -> None:
        """What a regain does besides."""
        with self.all.vault.keys.superuser() as conn, conn.transaction():
            for table in ("credentials", "users"):
                conn.execute(
                    f"UPDATE {table} SET epoch = epoch + 1 WHERE user_id = %s".encode(), (self.user,)
                )

    def destroy_wraps(self) -> None:
        """What an erasure does besides."""
        with self.all.vault.keys.superuser() as conn, conn.transaction():
            for table in ("recovery_codes", "credentials", "escrow_wraps", "deks", "logins", "users"):
                conn.execute(f"DELETE FROM {table} WHERE user_id = %s".encode(), (self.user,))

    def trail(self) -> list[tuple[str, str]]:
        """Kind and id of each event on the records side, oldest first."""
        with self.all.vault.records.superuser() as conn:
            rows = conn.execute(
                "SELECT kind, event_id::text FROM audit_events WHERE user_id = %s ORDER BY event_id",
                (self.user,),
            ).fetchall()
        return [(str(kind), str(event)) for kind, event in rows]

    def sees(self) -> list[str]:
        """GET /v1/me/accesses, of a new session."""
        token = sign_in(self.all.api, self.all.vault.app_key, self.login, PASSWORD).token
        return [access.what for access in accesses(self.all.api, token, 50, None).items]


@contextmanager
def followed(vault: Vault) -> Iterator[Followed]:
    policies = load_policies(vault.home / "policies")
    api, worker = vault.records.open("vault_api", size=4), vault.records.open("vault_worker_records", size=2)
    sealer = vault.keys.open("vault_worker_keys", size=1)
    clients = [kms_client(KmsClientSettings(url=vault.socket(each))) for each in ("api", "worker_records")]
    try:
        yield Followed(
            vault, AccountParts(api, clients[0], policies), AccountParts(worker, clients[1], policies), sealer
        )
    finally:
        for db in (api, worker, sealer):
            db.close()
        for client in clients:
            client.close()
