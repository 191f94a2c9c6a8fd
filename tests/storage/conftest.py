"""These tests stop the server, freeze it and change its passwords: it is not the other tests' server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import TestServer, running_server


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[TestServer]:
    """A server of this folder's own."""
    folder = scratch / "storage"
    folder.mkdir(mode=0o755)
    with running_server(folder) as server:
        yield server
