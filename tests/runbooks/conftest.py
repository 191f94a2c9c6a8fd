"""One vault for the runbooks: each leaves it with ana, bob and cleo, and with sheets that count."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import running_vault
from tests.runbooks.desk import Desk


@pytest.fixture(scope="session")
def open_desk(scratch: Path, postgres: TestServer) -> Iterator[Desk]:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records, forked=True) as vault,
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
