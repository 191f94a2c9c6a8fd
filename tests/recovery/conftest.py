"""One vault for the officers' tests: they open and close cases and ceremonies of their own in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recovery.office import Office, opened_office
from tests.recovery.passkeys import PasskeyOffice, passkey_office
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.vault import running_vault


@pytest.fixture(scope="session")
def office(scratch: Path, postgres: TestServer) -> Iterator[Office]:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / "office", keys, records, forked=True) as vault,
        opened_office(vault) as opened,
    ):
        yield opened


@pytest.fixture(scope="session")
def passkeys(scratch: Path, postgres: TestServer) -> Iterator[PasskeyOffice]:
    """Another vault, whose officers bob and cleo have passkeys."""
    with passkey_office(scratch, postgres) as opened:
        yield opened
