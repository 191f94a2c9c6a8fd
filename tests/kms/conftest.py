"""The key service inside the test's process, where its work can be counted."""

import os
from collections.abc import Iterator
from unittest.mock import patch

import pytest

from tests.kms.token_fixtures import online as online
from tests.kms.token_fixtures import open_token as open_token
from tests.kms.token_fixtures import soft_token as soft_token
from tests.kms.token_fixtures import token_template as token_template
from tests.rig.people import kms_of
from tests.rig.vault import Vault
from vault_service.bootstrap_kms import build_key_service
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService
from vault_service.settings import Settings, load_settings


def settings_of(vault: Vault) -> Settings:
    """What the vault's processes read."""
    with patch.dict(os.environ, {"VAULT_SETTINGS": str(vault.settings_file)}):
        return load_settings()


@pytest.fixture
def kms(vault: Vault) -> KmsClient:
    """The running key service."""
    return kms_of(vault)


@pytest.fixture
def service(vault: Vault) -> Iterator[KeyService]:
    """A second key service on the same token and database."""
    settings = settings_of(vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    service.keyring.token.open()
    yield service
    service.db.close()
    service.keyring.token.close()
