"""One vault for the runbooks: each leaves it with ana, bob and cleo, and with sheets that count."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own
from tests.runbooks.desk import Desk


@pytest.fixture(scope="session")
def open_desk(scratch: Path, postgres: TestServer) -> Iterator[Desk]:
    with (
        vault_of_its_own(scratch, postgres) as vault,
        Desk.laid_out(vault) as desk,
    ):
        yield desk


@pytest.fixture
def desk(open_desk: Desk) -> Desk:
    """With ceremonies at work, and no case that an earlier test has left."""
    with open_desk.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
    open_desk.start_ceremonies()
    return open_desk
