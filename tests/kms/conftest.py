"""The key service inside the test's process, where its work can be counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kms.chains import delete, forget, put, stored
from tests.kms.token_fixtures import online as online
from tests.kms.token_fixtures import open_token as open_token
from tests.kms.token_fixtures import soft_token as soft_token
from tests.kms.token_fixtures import token_template as token_template
from tests.rig.people import kms_of
from tests.rig.postgres import TestServer
from tests.rig.tokens import opened
from tests.rig.vault import Vault, settings_of, vault_of_its_own
from vault_service.bootstrap.kms import build_key_service
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService


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
    opened(service.keyring.token)
    yield service
    service.db.close()
    service.keyring.token.close()


@pytest.fixture(scope="module")
def shared_service(vault: Vault) -> Iterator[KeyService]:
    """The same for all tests of a module that change neither its token nor its clock."""
    settings = settings_of(vault)
    assert settings.kms is not None
    service = build_key_service(settings, settings.kms)
    opened(service.keyring.token)
    yield service
    service.db.close()
    service.keyring.token.close()


@pytest.fixture(scope="module")
def attacked(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault with its API, for one module, whose chain is tampered with."""
    with vault_of_its_own(scratch, postgres) as vault:
        vault.start_forked_api()
        yield vault


@pytest.fixture
def sound(attacked: Vault) -> Iterator[Vault]:
    """As genesis left it, before and after each attack."""
    genesis = stored(attacked)
    yield attacked
    delete(attacked, since=1)
    put(attacked, genesis)
    forget(attacked)
