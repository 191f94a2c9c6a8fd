"""A ceremony that dies after its n-th step, as kill -9 would have it; the PIN's change is not counted here.

A step is what leaves a mark outside the process: a call of the key service, the token opened, an operation
in it, a file brought to disk. What it does while it waits for shares leaves none.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.rig.forked import FORKS, Forked
from tests.rig.killable import Steps


def killable_ceremony(environment: Mapping[str, str], log: Path, kill_at: int, count_file: Path) -> Forked:
    return Forked(FORKS.Process(target=_run, args=(dict(environment), log, kill_at, count_file)))


def _run(environment: dict[str, str], log: Path, kill_at: int, count_file: Path) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    from vault_service.bootstrap.ceremony import run_ceremony
    from vault_service.ceremony.execute import Executor
    from vault_service.ceremony.process import Ceremony
    from vault_service.ceremony.wraps import EscrowWraps
    from vault_service.kms.client import KmsClient
    from vault_service.settings import load_settings

    steps = Steps(kill_at, count_file)
    KmsClient.call = steps.counted(KmsClient.call)  # type: ignore[method-assign]
    EscrowWraps.open = steps.counted(EscrowWraps.open)  # type: ignore[method-assign]
    os.fsync = steps.counted(os.fsync)
    for owner, name in ((Ceremony, "_begin"), (Executor, "run"), (Ceremony, "_close")):
        _arm(steps, owner, name)
    run_ceremony(load_settings(), wait_s=20)


def _arm(steps: Steps, owner: type[Any], name: str) -> None:
    real = getattr(owner, name)
    setattr(owner, name, lambda *args, **kwargs: steps.armed(real, *args, **kwargs))
