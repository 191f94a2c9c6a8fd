"""Export a test's sealed logs as the auditor's roles, and look at what was written."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.audit.sealed_log import FINGERPRINT, SealedVault
from vault_service.audit.export import Exported, export_logs
from vault_service.audit.export_folder import ExportFolder
from vault_service.audit.export_source import Vault
from vault_service.domain.logs import LogName
from vault_service.storage.pool import Conn, Database
from vault_service.tlog import merkle


@dataclass
class Watched:
    """What whoever watches an export is told."""

    warnings: list[str] = field(default_factory=list)
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def progress(self, what: str, done: int, total: int) -> None:
        self.parts[what] = (done, total)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@contextlib.contextmanager
def as_auditor(sealed: SealedVault, *logs: LogName) -> Iterator[dict[LogName, Database]]:
    opened: dict[LogName, Database] = {}
    try:
        for part in (sealed.keys, sealed.records):
            if not logs or part.log in logs:
                opened[part.log] = part.db.open(f"vault_auditor_{part.log}", size=1)
        yield opened
    finally:
        for db in opened.values():
            db.close()


def export(sealed: SealedVault, folder: Path, *logs: LogName, watcher: Watched | None = None) -> Exported:
    """Nothing seals here, so nothing is waited for."""
    with as_auditor(sealed, *logs) as databases:
        notary = sealed.keys.notary
        vault = Vault(databases, FINGERPRINT, (notary.cosigner.format(),), notary.key_file())
        return export_logs(vault, ExportFolder(folder), watcher or Watched(), patience_s=0)


def content(folder: Path) -> dict[str, bytes]:
    """Every file by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(folder: Path, name: str) -> list[bytes]:
    whole = (folder / name).read_bytes()
    assert whole.endswith(b"\n") or not whole
    return whole.split(b"\n")[:-1]


def notes(folder: Path, name: str) -> list[str]:
    return [json.loads(line) for line in lines(folder, name)]


def root_of(leaves: list[bytes]) -> bytes:
    return merkle.Frontier(merkle.leaf_hash(leaf) for leaf in leaves).root


def manifest_of(folder: Path) -> bytes:
    """As anybody can make it: sha256sum of all files, sorted."""
    digests = (
        f"{hashlib.sha256(data).hexdigest()}  {path}\n"
        for path, data in content(folder).items()
        if path != "MANIFEST"
    )
    return "".join(sorted(digests)).encode()


@dataclass
class Meanwhile:
    """A database between whose calls something happens, as while a real export runs."""

    db: Database
    happens: Callable[[], None]

    def run(self, work: Callable[[Conn], Any]) -> Any:
        done = self.db.run(work)
        self.happens()
        return done


def export_meanwhile(sealed: SealedVault, folder: Path, happens: Callable[[], None]) -> Exported:
    """Export, and let something happen after each look into either database."""
    with as_auditor(sealed) as databases:
        notary = sealed.keys.notary
        busy = {log: cast("Database", Meanwhile(db, happens)) for log, db in databases.items()}
        vault = Vault(busy, FINGERPRINT, (notary.cosigner.format(),), notary.key_file())
        return export_logs(vault, ExportFolder(folder), Watched(), patience_s=0)
