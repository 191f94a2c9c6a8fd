"""Keep the queue filled while rotations run, and end them: each worker does, and any number of them may.

paused    what has not begun is held
running   what was held is let go; batches are handed out, a few ahead of the workers
swept     every batch of a sweep is done: the key service is asked to finish; while it still finds
          something left behind, because somebody wrote it or took it back meanwhile, another sweep follows
finished  plan and jobs go
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from vault_service.domain.errors import VaultError
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.rotation_messages import FinishRotation, RotationIs
from vault_service.storage.keys import rotation_plans as plans
from vault_service.storage.keys.rotations import StoredRotation, rotations_under_way
from vault_service.storage.pool import Database

_log = structlog.get_logger("rotation")
_AHEAD = 16  # batches of each lane: more than a worker does between two ticks


@dataclass(frozen=True, slots=True)
class Planner:
    """Looks at every rotation that workers carry out; escrow ones are a ceremony's."""

    db: Database
    kms: KmsClient
    batch: int  # users
    told: Callable[[Iterable[StoredRotation]], object] = lambda _: None  # what is under way

    def tick(self) -> None:
        """Once around. Raises UnavailableError: the next tick finds everything as it is.

        What is wrong with one rotation is raised after the others had their turn.
        """
        with self.db.connection() as conn:
            under_way = rotations_under_way(conn)
            plans.drop_ended(conn)
            plans.take_up_stalled(conn)
        self.told(under_way)
        wrong: VaultError | None = None
        for row in under_way:
            if row.kind == "escrow":
                continue
            try:
                self._tick(row)
            except VaultError as error:
                wrong = wrong or error
        if wrong is not None:
            raise wrong

    def _tick(self, row: StoredRotation) -> None:
        if row.state == "paused":
            with self.db.connection() as conn:
                plans.hold_jobs(conn, row.rotation)
            return
        with self.db.connection() as conn:
            plans.begin_plan(conn, row.rotation)
            plans.let_jobs_go(conn, row.rotation)
        with self.db.transaction() as conn:
            plans.hand_out(conn, row.rotation, batch=self.batch, ahead=_AHEAD)
        with self.db.connection() as conn:
            sweep = plans.find_sweep(conn, row.rotation)
        if sweep is None or not sweep.is_handed_out or sweep.waiting:
            return
        after = self.kms.call(FinishRotation(row.rotation), RotationIs).rotation
        if after.state == "finished":
            _log.info("rotation.finished", n=after.rewrapped)
        elif after.state == "running":
            with self.db.connection() as conn:
                plans.sweep_again(conn, row.rotation, sweep.number)
