"""A vault with a console, in which dora has become an officer by a passkey."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ceremony.office import office_of
from tests.console.desk import Browser, Desk, desk_of
from tests.rig.passkeys import SoftPasskey
from tests.rig.postgres import TestServer
from tests.rig.vault import vault_of_its_own


@pytest.fixture(scope="session")
def open_desk(scratch: Path, postgres: TestServer) -> Iterator[Desk]:
    """Ceremonies replace the escrow PIN, and officers change: of these tests' own."""
    with (
        vault_of_its_own(scratch, postgres) as vault,
        office_of(vault) as office,
    ):
        yield desk_of(office)


@pytest.fixture(scope="session")
def desk(open_desk: Desk) -> Desk:
    open_desk.make_officer("dora", ("requester", "approver"))
    return open_desk


@pytest.fixture(scope="module")
def dora(desk: Desk) -> Browser:
    """She is signed in, at a browser of the file's own."""
    return desk.signed_in("dora")


@pytest.fixture(scope="module")
def passkey(desk: Desk) -> SoftPasskey:
    """Hers."""
    return desk.people["dora"]
