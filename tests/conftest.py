"""Fixtures that several folders share; everything real, nothing that outlives the session."""

import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.ceremony.escrow_fixtures import born as born
from tests.ceremony.escrow_fixtures import escrow as escrow
from tests.rig.last_words import last_words
from tests.rig.officer_passphrases import remember_them
from tests.rig.postgres import TestDatabase, TestServer, fresh_database, running_server
from tests.rig.vault import Vault, running_vault, vault_of_its_own

# Its deadline of 200 ms an example and its check for slow ones measure how busy the machine is. A gate
# must say the same of the same commit; at a desk each run tries something new.
settings.register_profile(
    "vault", deadline=None, suppress_health_check=(HealthCheck.too_slow,), derandomize="CI" in os.environ
)
settings.load_profile("vault")
remember_them()


_STARTS_SERVICES = frozenset({"postgres", "token_template", "chromium"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs PostgreSQL, a token or a browser is slow: nobody has to remember the mark."""
    for item in items:
        if isinstance(item, pytest.Function) and not _STARTS_SERVICES.isdisjoint(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the services of its vault said last: their folder is gone by then."""
    del call
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        report.sections.extend(last_words(item.funcargs.values()))
    return report


_ROOM = 4 << 30  # bytes; two processes, each with servers whose write-ahead log may come to 1 GiB
_MEMORY = Path("/dev/shm")


def _fast_place() -> Path:
    """In memory where there is room: most of a test's new database is the making of its 300 files."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM:
        return _MEMORY
    return Path("/tmp")


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path that service users may enter: Unix sockets allow about 100 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="vault-test-", dir=_fast_place()))
    folder.chmod(0o755)
    remember_them(folder / "derived")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(scratch: Path) -> Iterator[TestServer]:
    """One server for all tests of this process."""
    folder = scratch / "pg"
    folder.mkdir(mode=0o755)
    with running_server(folder) as server:
        yield server


@pytest.fixture
def keys_db(postgres: TestServer) -> Iterator[TestDatabase]:
    """A keys database of this test's own."""
    with fresh_database(postgres, "keys") as database:
        yield database


@pytest.fixture
def records_db(postgres: TestServer) -> Iterator[TestDatabase]:
    """A records database of this test's own."""
    with fresh_database(postgres, "records") as database:
        yield database


@pytest.fixture(scope="session")
def vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One vault for all tests of this process that do it no harm."""
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / "vault", keys, records) as running,
    ):
        yield running


@pytest.fixture(scope="session")
def served(vault: Vault) -> Vault:
    """The shared vault with its API listening."""
    if "api" not in vault.running:
        vault.start_api()
    return vault


@pytest.fixture
def own_vault(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault of this test's own, to be tampered with and killed."""
    with vault_of_its_own(scratch, postgres) as running:
        yield running
