"""One genesis for all tests of the escrow PIN, copied for each: tokens, folder and database."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ceremony.office import Office, office_of
from tests.ceremony.pins import PASSPHRASE, Escrow, made
from tests.rig.postgres import TestDatabase, TestServer, copied_database, fresh_database
from tests.rig.vault import OFFICERS, running_vault
from vault_service.ceremony.officer_key import OfficerKey, load_officer_key
from vault_service.domain.manifest import Manifest


@dataclass(frozen=True)
class Born:
    """What a genesis left; copy it, never open it."""

    home: Path
    keys: TestDatabase
    manifest: Manifest
    people: dict[str, OfficerKey]


@pytest.fixture(scope="session")
def born(scratch: Path, postgres: TestServer) -> Iterator[Born]:
    """A genesis with three officers."""
    home = scratch / "escrow-template"
    home.mkdir(mode=0o700)
    with fresh_database(postgres, "keys") as keys:
        manifest = made(home, keys)
        people = {name: load_officer_key(home / f"officers/{name}.key", PASSPHRASE)[0] for name in OFFICERS}
        yield Born(home, keys, manifest, people)


@pytest.fixture
def escrow(born: Born, postgres: TestServer, tmp_path: Path) -> Iterator[Escrow]:
    """An escrow of this test's own."""
    home = tmp_path / "escrow"
    shutil.copytree(born.home, home)
    for conf in home.glob("tokens/*/softhsm2.conf"):
        conf.write_text(conf.read_text().replace(str(born.home), str(home)))
    with copied_database(postgres, "keys", born.keys.name) as keys:
        db = keys.open("vault_ceremony", size=2)
        try:
            yield Escrow(home, keys, db, born.manifest, born.people)
        finally:
            db.close()


@pytest.fixture(scope="session")
def open_office(scratch: Path, postgres: TestServer) -> Iterator[Office]:
    """A vault of these tests' own: each ceremony replaces the escrow PIN."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / keys.name, keys, records) as vault,
        office_of(vault) as opened,
    ):
        yield opened


@pytest.fixture
def office(open_office: Office) -> Office:
    """With no case that an earlier test has left."""
    with open_office.vault.keys.superuser() as conn:
        conn.execute("UPDATE cases SET state = 'expired' WHERE state IN ('open', 'executing')")
    return open_office
