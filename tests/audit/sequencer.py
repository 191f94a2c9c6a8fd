"""A worker that does nothing but make events leaves, in a process that can be killed."""

import time
from pathlib import Path

from tests.audit.trail import SEALERS, drain
from tests.rig.forked import FORKS, Forked
from tests.rig.killable import Steps
from tests.rig.postgres import TestDatabase, connected
from vault_service.domain.errors import VaultError
from vault_service.storage.pool import open_database
from vault_service.storage.roles import Side


def start(database: TestDatabase, *, limit: int, kill_at: int = 0, count: Path | None = None) -> Forked:
    """With `kill_at` 0 it goes on until it is killed; otherwise it dies after that many round trips to the
    database, or writes their number to `count` when there were fewer in one drain."""
    role = SEALERS[database.side]
    place = (database.dsn(role), database.password(role), database.side)
    return Forked(FORKS.Process(target=_work, args=(*place, limit, kill_at, count)))


def _work(dsn: str, password: str, side: Side, limit: int, kill_at: int, count: Path | None) -> None:
    db = connected(open_database(dsn, password, size=1, name=side))
    if count is not None:
        db.ping()
        steps = Steps(kill_at, count)
        steps.install()
        steps.armed(drain, db, side, limit)
        return
    while True:
        try:
            drain(db, side, limit)
        except VaultError:
            time.sleep(0.01)  # the other worker's turn was long
