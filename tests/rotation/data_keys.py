"""Somebody whose data key is changed: on a whole vault, with batches small enough to stop between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import msgspec

from tests.rig.people import kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import AccountParts
from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.ids import DekId, RecordId, UserId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.policy.load import load_policies
from vault_service.policy.rotation_rules import DataKeyRule
from vault_service.policy.rules import CollectionRule, Policies
from vault_service.records.store import RecordStore
from vault_service.sessions.open import Session, open_session

NEW_PASSWORD = "nine lanterns behind the old mill"
PHONE = "+351912000777"


@dataclass(frozen=True)
class Api:
    """One API host."""

    vault: Vault
    accounts: Accounts

    @property
    def parts(self) -> AccountParts:
        return self.accounts.parts

    @property
    def store(self) -> RecordStore:
        return RecordStore(self.parts.db, self.parts.policies)

    def rule(self, *, batch: int = 2, at_sign_in: int = 3) -> "Api":
        policies = self.parts.policies
        rotation = msgspec.structs.replace(policies.rotation, data_key=DataKeyRule(batch, at_sign_in))
        return self._with(msgspec.structs.replace(policies, rotation=rotation))

    def with_collections(self, collections: dict[str, CollectionRule]) -> "Api":
        return self._with(msgspec.structs.replace(self.parts.policies, collections=collections))

    def _with(self, policies: Policies) -> "Api":
        return replace(self, accounts=Accounts(replace(self.parts, policies=policies)))

    def somebody(self, records: int = 0) -> "Owner":
        login = f"key-{new_uuid().hex}@example.org"
        user = self.accounts.sign_up(self.vault.app_key, login, PASSWORD, None).user_id
        token = self.accounts.sign_in(self.vault.app_key, login, PASSWORD).token
        kept = tuple(self.contact(token, n) for n in range(records))
        return Owner(self, login, user, token, kept)

    def contact(self, token: SessionToken, n: int) -> RecordId:
        fields = msgspec.json.encode({"full_name": f"Number {n}", "phone": PHONE})
        return self.store.create(token, "contact", fields)[0].record


@contextmanager
def api_of(vault: Vault, *, batch: int = 2, at_sign_in: int = 3) -> Iterator[Api]:
    db, kms = vault.records.open("vault_api", size=4), kms_of(vault)
    accounts = Accounts(AccountParts(db, kms, load_policies(vault.home / "policies")))
    yield Api(vault, accounts).rule(batch=batch, at_sign_in=at_sign_in)
    db.close()
    kms.close()


@dataclass(frozen=True)
class Owner:
    """A user with records; `token` is the session that they were written in."""

    api: Api
    login: str
    user: UserId
    token: SessionToken
    kept: tuple[RecordId, ...]

    def sign_in(self, password: str = PASSWORD) -> SessionToken:
        return self.api.accounts.sign_in(self.api.vault.app_key, self.login, password).token

    def change(self, token: SessionToken | None = None, password: str = PASSWORD) -> None:
        self.api.accounts.change_data_key(token or self.token, password)

    def session(self, token: SessionToken) -> Session:
        return open_session(self.api.parts.db, token, self.api.parts.now())

    def names(self, token: SessionToken) -> list[str]:
        """The records that were kept, read one by one."""
        rows = [self.api.store.read(token, record) for record in self.kept]
        return [msgspec.json.decode(row.fields)["full_name"] for row in rows]

    def all_names(self) -> list[str]:
        return [f"Number {n}" for n in range(len(self.kept))]

    def under(self) -> dict[DekId, int]:
        """How many records are under each data key."""
        return dict(self.records("SELECT dek_id, count(*) FROM records WHERE user_id = %(user)s GROUP BY 1"))

    def deks(self) -> int:
        """How many data keys the keys database has."""
        return len(self.keys("SELECT dek_id FROM deks WHERE user_id = %(user)s"))

    def keys_events(self) -> list[KeysEvent]:
        rows = self.keys("SELECT kind FROM audit_events WHERE user_id = %(user)s ORDER BY event_id")
        return [KeysEvent(kind) for (kind,) in rows]

    def records_events(self) -> list[tuple[RecordsEvent, int]]:
        rows = self.records("SELECT kind, n FROM audit_events WHERE user_id = %(user)s ORDER BY event_id")
        return [(RecordsEvent(kind), n) for kind, n in rows]

    def keys(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """As a superuser of the keys database."""
        with self.api.vault.keys.superuser() as conn:
            cursor = conn.execute(statement, {"user": self.user, **values})
            return cursor.fetchall() if cursor.description else []

    def records(self, statement: LiteralString, **values: Any) -> list[tuple[Any, ...]]:
        """As a superuser of the records database."""
        with self.api.vault.records.superuser() as conn:
            cursor = conn.execute(statement, {"user": self.user, **values})
            return cursor.fetchall() if cursor.description else []
