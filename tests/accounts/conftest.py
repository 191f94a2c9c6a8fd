"""The accounts' use cases on a whole vault: its key service as a process, its records database real."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.rig.people import kms_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.service import AccountParts
from vault_service.accounts.sign_in import sign_in
from vault_service.accounts.sign_up import sign_up
from vault_service.domain.ids import UserId, new_uuid
from vault_service.domain.tokens import SessionToken
from vault_service.policy.load import load_policies


@pytest.fixture
def parts(vault: Vault) -> Iterator[AccountParts]:
    db, kms = vault.records.open("vault_api", size=4), kms_of(vault)
    yield AccountParts(db, kms, load_policies(vault.home / "policies"))
    db.close()
    kms.close()


@dataclass(frozen=True)
class Ana:
    """Somebody who is signed in."""

    vault: Vault
    parts: AccountParts
    login: str
    user: UserId
    token: SessionToken

    def sign_in(self) -> SessionToken:
        return sign_in(self.parts, self.vault.app_key, self.login, PASSWORD).token


@pytest.fixture
def ana(vault: Vault, parts: AccountParts) -> Iterator[Ana]:
    login = f"ana-{new_uuid().hex}@example.org"
    user = sign_up(parts, vault.app_key, login, PASSWORD, None).user_id
    yield Ana(vault, parts, login, user, sign_in(parts, vault.app_key, login, PASSWORD).token)
    with vault.records.superuser() as conn:
        conn.execute("DELETE FROM intents WHERE user_id = %s", (user,))
