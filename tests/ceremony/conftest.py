"""A vault whose officers and ceremonies are at work."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ceremony.office import Office, office_of
from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own


@pytest.fixture(scope="session")
def open_office(scratch: Path, postgres: TestServer) -> Iterator[Office]:
    """A vault of these tests' own: each ceremony replaces the escrow PIN."""
    with (
        vault_of_its_own(scratch, postgres) as vault,
        office_of(vault) as opened,
    ):
        yield opened


@pytest.fixture(scope="session")
def turned_office(scratch: Path, postgres: TestServer) -> Iterator[Office]:
    """The same for those that go from one escrow key to the next."""
    with (
        vault_of_its_own(scratch, postgres) as vault,
        office_of(vault) as opened,
    ):
        yield opened


@pytest.fixture
def office(open_office: Office) -> Office:
    """With no case that an earlier test has left."""
    with open_office.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
    return open_office
