"""Sealers of a test vault's logs, put together in the test's process as in a worker's."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry

from tests.audit.trail import SEALERS
from tests.rig.postgres import TestDatabase
from tests.rig.vault import Vault
from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.figures import SealingFigures
from vault_service.audit.sealing import Sealer, SealerParts
from vault_service.bootstrap.connections import kms_client
from vault_service.kms.client import KmsClient
from vault_service.policy.load import load_policies
from vault_service.settings import KmsClient as KmsClientSettings
from vault_service.storage.audit.checkpoints import Saved, newest_checkpoint
from vault_service.storage.pool import Database
from vault_service.storage.roles import Side
from vault_service.tlog.checkpoint import Checkpoint, parse_checkpoint
from vault_service.tlog.note import parse_note


def set_policy(vault: Vault, **values: object) -> None:
    """Rules of policies/audit.toml; whoever runs reads them at its start."""
    file = vault.home / "policies" / "audit.toml"
    text = file.read_text()
    for name, value in values.items():
        text, found = re.subn(rf"(?m)^{name}( *)= [^ \n]+", rf"{name}\1= {value}", text)
        assert found == 1, name
    file.write_text(text)


def database_of(vault: Vault, side: Side) -> TestDatabase:
    return vault.keys if side == "keys" else vault.records


@dataclass
class Clock:
    """Seconds of a clock that the test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Rig:
    """One sealer and what a test looks at."""

    sealer: Sealer
    db: Database
    kms: KmsClient
    file: CheckpointFile
    registry: CollectorRegistry
    side: Side
    clock: Clock
    calls: list[str] = field(default_factory=list)  # to the key service, that were answered

    def saved(self) -> Saved | None:
        with self.db.connection() as conn:
            return newest_checkpoint(conn)

    def counted(self) -> Saved:
        saved = self.saved()
        assert saved is not None, "no head counts"
        return saved

    def head(self) -> Checkpoint:
        return parse_checkpoint(parse_note(self.counted().note).text)

    def figure(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"vault_audit_{name}", {"log": self.side, **labels})

    def database_clock(self) -> datetime:
        with self.db.connection() as conn:
            row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        now: datetime = row[0]
        return now


@contextmanager
def sealer(
    vault: Vault,
    side: Side,
    *,
    checked: bool = True,
    more: Callable[[SealerParts], SealerParts] = lambda p: p,
) -> Iterator[Rig]:
    """One side's, which has looked at its database as a worker does at its start."""
    db = database_of(vault, side).open(SEALERS[side], size=4)
    kms = kms_client(KmsClientSettings(url=vault.socket(f"worker_{side}")))
    file = CheckpointFile(vault.home / "state" / f"worker_{side}")
    registry = CollectorRegistry()
    policy = load_policies(vault.home / "policies").audit
    clock = Clock()
    parts = more(SealerParts(side, db, kms, policy, file, SealingFigures(registry, side)))
    rig = Rig(Sealer(parts, clock=clock), db, kms, file, registry, side, clock)
    kms.observe = lambda call, outcome, _seconds: rig.calls.append(call) if outcome == "ok" else None
    try:
        if checked:
            rig.sealer.check_start()
            rig.calls.clear()
        yield rig
    finally:
        kms.close()
        db.close()
