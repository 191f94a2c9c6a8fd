"""A vault whose keys are rotated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kms.chains import key_service
from tests.rig.people import kms_of
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.service import Process
from tests.rig.vault import Vault, running_vault, vault_of_its_own
from tests.rotation.operator import Operator
from tests.rotation.under_way import Turning, set_engine
from vault_service.kms.client import KmsClient
from vault_service.kms.service import KeyService


@pytest.fixture(scope="module")
def turned(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault for one module, whose generations go on from test to test."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="session")
def turned_by_many(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One for the modules that ask for no certain generation, and after which every wrap opens."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture
def second(turned: Vault) -> Iterator[KeyService]:
    """Another key service on the same token and database, in the test's process."""
    with key_service(turned) as service:
        service.manifests.current()
        yield service


@pytest.fixture
def operator(turned: Vault) -> Iterator[Operator]:
    """What `vaultctl rotate` says to the running key service."""
    with Operator.of(turned) as operator:
        yield operator


@pytest.fixture
def api(turned: Vault) -> Iterator[KmsClient]:
    """The running key service as the API reaches it."""
    client = kms_of(turned)
    yield client
    client.close()


@pytest.fixture(scope="module")
def turning(scratch: Path, postgres: TestServer) -> Iterator[Turning]:
    """Nine people whose keys every test of a module rotates once more, in batches of two."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(
            scratch / keys.name, keys, records, lambda vault: set_engine(vault, batch=2), forked=True
        ) as vault,
        Turning.of(vault, people=9) as turning,
    ):
        yield turning


@pytest.fixture
def worker(turning: Turning) -> Iterator[Process]:
    """Takes batches, like `vaultctl rotate worker`."""
    process = turning.start_worker()
    yield process
    process.stop()
