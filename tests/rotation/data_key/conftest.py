"""A vault whose users change their data keys."""

from collections.abc import Iterator

import pytest

from tests.rig.vault import Vault
from tests.rotation.data_keys import Api, api_of


@pytest.fixture(scope="module")
def api(vault: Vault) -> Iterator[Api]:
    """An API host that re-encrypts in batches of two, three records at a sign-in."""
    with api_of(vault) as host:
        yield host
