"""Run one flow of the accounts in a process that dies after its n-th step, quickly many times.

Each process is forked from a server that has imported everything and opened nothing, so that
neither a connection nor a thread crosses a fork.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.rig import killable
from tests.rig.forked import FORKS
from tests.rig.vault import Vault

_PATIENCE_S = 60
_MAX_STEPS = 60

Check = Callable[[bool], None]
"""Looks at what a run left behind; told whether the run came to its end."""


def _run(settings_file: str, kill_at: int, count_file: Path, arguments: dict[str, Any]) -> None:
    os.environ["VAULT_SETTINGS"] = settings_file
    killable.run_flow(killable.Steps(kill_at, count_file), arguments)


def kill_at_each_step(vault: Vault, begin: Callable[[int], tuple[dict[str, Any], Check]]) -> int:
    """Begin anew and run, killed after step 0 (nothing was done yet), 1, 2, … until a run is not killed.

    Returns how many steps it had.
    """
    for step in range(1, _MAX_STEPS):
        arguments, check = begin(step)
        process = FORKS.Process(
            target=_run, args=(str(vault.settings_file), step, vault.home / "steps", arguments)
        )
        process.start()
        process.join(_PATIENCE_S)
        assert process.exitcode in (0, -signal.SIGKILL), f"step {step}: {process.exitcode}"
        done = process.exitcode == 0
        check(done)
        if done:
            return step - 1
    raise AssertionError("the flow has no end")
