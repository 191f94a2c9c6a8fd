"""A private PostgreSQL (durable, its defaults), tokens and a manifest, for as long as a benchmark runs."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from tests.kms.chains import key_service
from tests.rig.postgres import TestDatabase, TestServer, copied_database, fresh_database, running_server
from tests.rig.vault import Vault
from vault_service.kms.service import KeyService


@dataclass(frozen=True)
class Home:
    """Where everything is; no process of the vault runs."""

    server: TestServer
    vault: Vault

    @contextlib.contextmanager
    def key_service(self) -> Iterator[KeyService]:
        """In this process, put together as in production."""
        with key_service(self.vault) as service:
            service.manifests.current()
            yield service

    @contextlib.contextmanager
    def copy(self) -> Iterator[TestDatabase]:
        """A second keys database, file by file as the first one is now; nobody may be connected to that."""
        with self.vault.keys.superuser() as conn:
            conn.execute("CHECKPOINT")
        with copied_database(self.server, "keys", self.vault.keys.name) as database:
            yield database


@contextlib.contextmanager
def scratch(home: Path | None) -> Iterator[Home]:
    """Made in a new folder under `home`, or where temporary files are; gone at the end, whatever happened."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = Path(tempfile.mkdtemp(prefix="bench-rotation-", dir=home))
    folder.chmod(0o755)
    (folder / "pg").mkdir(mode=0o755)
    try:
        with (
            running_server(folder / "pg", durable=True) as server,
            fresh_database(server, "keys") as keys,
            fresh_database(server, "records") as records,
        ):
            (folder / "vault").mkdir(mode=0o700)
            vault = Vault(folder / "vault", keys, records)
            vault.prepare()
            yield Home(server, vault)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
