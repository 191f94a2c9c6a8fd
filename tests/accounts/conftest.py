"""The accounts' use cases on a whole vault: its key service as a process, its records database real."""

from collections.abc import Iterator

import pytest

from tests.rig.people import kms_of
from tests.rig.vault import Vault
from vault_service.accounts.service import AccountParts
from vault_service.policy.load import load_policies


@pytest.fixture
def parts(vault: Vault) -> Iterator[AccountParts]:
    db, kms = vault.records.open("vault_api", size=4), kms_of(vault)
    yield AccountParts(db, kms, load_policies(vault.home / "policies"))
    db.close()
    kms.close()
