"""A vault whose logs are sealed by the test itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.audit.sealers import set_policy
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import Vault, running_vault


@contextmanager
def _vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(
            scratch / keys.name, keys, records, lambda vault: set_policy(vault, cosignatures=0), forked=True
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def sealing_vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault of this module's own, whose heads count without a witness; its logs only grow."""
    with _vault(scratch, postgres) as vault:
        yield vault


@pytest.fixture
def fragile_vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """The same for one test, which tampers with it."""
    with _vault(scratch, postgres) as vault:
        yield vault
