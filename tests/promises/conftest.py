"""A whole vault with its API running, and an app that uses it through the client."""

from collections.abc import Iterator

import pytest

from tests.promises.flows import Life
from tests.rig.vault import Vault, settings_of
from vault_service.bootstrap.api import build_accounts
from vault_service.bootstrap.connections import kms_client
from vault_service.client import VaultClient
from vault_service.settings import KmsClient as KmsClientSettings


@pytest.fixture
def client(served: Vault) -> Iterator[VaultClient]:
    """An app of the shared vault."""
    with VaultClient(served.api_url, app_key=served.app_key) as app:
        yield app


@pytest.fixture(scope="module")
def life(served: Vault) -> Iterator[Life]:
    """The shared vault as everybody reaches it."""
    accounts, _ = build_accounts(settings_of(served))
    operator = kms_client(KmsClientSettings(url=served.socket("operator")))
    with VaultClient(served.api_url, app_key=served.app_key, retries=0) as client:
        yield Life(served, client, operator, accounts)
    accounts.parts.db.close()
    operator.close()
