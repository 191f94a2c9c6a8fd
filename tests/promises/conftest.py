"""A whole vault with its API running, and an app that uses it through the client."""

from collections.abc import Iterator

import pytest

from tests.rig.vault import Vault
from vault_service.client import VaultClient


@pytest.fixture
def client(served: Vault) -> Iterator[VaultClient]:
    """An app of the shared vault."""
    with VaultClient(served.api_url, app_key=served.app_key) as app:
        yield app
