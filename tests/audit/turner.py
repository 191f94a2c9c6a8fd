"""A worker that looks at its database and makes one turn, in a process that dies at one of its steps.

python -m tests.audit.turner SIDE COUNT_FILE

Reads from its standard input, line by line, at which step to die; each time a fork of it does the work,
which is quicker than a new process. Answers with the wait status of the fork.
"""

import os
import sys
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry

from tests.dev.waiting import until
from tests.rig.killable import Steps
from vault_service.audit.checkpoint_file import CheckpointFile
from vault_service.audit.figures import SealingFigures
from vault_service.audit.sealing import Sealer, SealerParts
from vault_service.bootstrap.connections import connect, kms_client
from vault_service.domain.errors import UnavailableError
from vault_service.domain.logs import LogName
from vault_service.kms.client import KmsClient
from vault_service.logs import configure_logging
from vault_service.policy.load import load_policies
from vault_service.settings import load_settings
from vault_service.storage.pool import Database


def _turn(side: LogName, steps: Steps) -> None:
    settings = load_settings()
    worker: Any = getattr(settings, f"worker_{side}")
    db = connect(worker.database, size=1, name=side)
    until(lambda: _answers(db))
    policy = load_policies(settings.policies_dir).audit
    file, figures = CheckpointFile(worker.state_dir), SealingFigures(CollectorRegistry(), side)
    sealer = Sealer(SealerParts(side, db, kms_client(worker.kms), policy, file, figures))
    steps.install()
    KmsClient.call = steps.counted(KmsClient.call)  # type: ignore[method-assign]

    def start_and_turn() -> None:
        sealer.check_start()
        sealer.turn()

    steps.armed(start_and_turn)


def _answers(db: Database) -> bool:
    """A busy machine may not have connected in the time that a request has for it."""
    try:
        db.ping()
    except UnavailableError:
        return False
    return True


if __name__ == "__main__":
    configure_logging()  # the standard output is for the test
    _side, _count_file = sys.argv[1:]
    for _line in sys.stdin:
        _child = os.fork()
        if _child == 0:
            _turn(cast("LogName", _side), Steps(int(_line), Path(_count_file)))
            os._exit(0)
        sys.stdout.write(f"{os.waitpid(_child, 0)[1]}\n")
        sys.stdout.flush()
