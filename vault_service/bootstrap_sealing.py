"""Put together what seals one side's log."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry

from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.figures import SealingFigures
from vault_service.audit.loop import SealingLoop
from vault_service.audit.sealing import Sealer, SealerParts
from vault_service.kms.client import KmsClient
from vault_service.policy.rules import Policies
from vault_service.settings import Worker, read_secret
from vault_service.storage.audit.wakeups import Wakeups
from vault_service.storage.pool import Database
from vault_service.storage.roles import Side

CONNECTIONS = 4  # turns need one at a time; witnesses that want a proof, one more each


def sealing_loop(
    worker: Worker, side: Side, db: Database, kms: KmsClient, policies: Policies, registry: CollectorRegistry
) -> SealingLoop:
    """One side's. Raises ConfigurationError."""
    parts = SealerParts(
        log=side,
        db=db,
        kms=kms,
        policy=policies.audit,
        file=CheckpointFile(worker.state_dir),
        figures=SealingFigures(registry, side),
    )
    wakeups = Wakeups(worker.database.dsn, read_secret(worker.database.password_file), f"seal_{side}")
    return SealingLoop(Sealer(parts), wakeups, policies.audit.sealing.interval_s)


@contextmanager
def sealed_meanwhile(loop: SealingLoop, stop: threading.Event) -> Generator[None]:
    """A thread seals until `stop` is set; at the end raises what refused the database at the start."""
    thread = threading.Thread(target=loop.run, args=(stop,), name="sealing")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    loop.raise_refusal()
