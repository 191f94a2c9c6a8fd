"""Processes forked from a server that has imported everything and opened nothing: half a second less each.

Neither a connection nor a thread nor the token's module crosses a fork. Whether a service starts as it
is started in production is seen by the many tests that start it so.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from tests.rig import killable
from tests.rig.officer_passphrases import kept_beside, remember_them

FORKS = get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.rig.forked",
        "vault_service.api.server",
        "vault_service.bootstrap.kms",
        "vault_service.bootstrap.worker",
        "vault_service.bootstrap.rotation",
        "vault_service.cli.main",
        "tests.rig.warm",
        "tests.ceremony.killed",
        "tests.rig.frozen",  # the last
    ]
)


class Forked:
    """As much of subprocess.Popen as tests use."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        process.start()
        self.pid = process.pid or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        # As Popen has it: one that ended this moment may have been reaped before it is known here.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def forked_kms(environment: Mapping[str, str], log: Path, dawdle_s: float = 0.0) -> Forked:
    """A key service like that of `vaultctl serve kms`.

    `dawdle_s`: how long at most it waits between computing new wraps and writing them, so that others who
    change the same wraps come in between; nothing else is different.
    """
    return Forked(FORKS.Process(target=_serve_kms, args=(dict(environment), log, dawdle_s)))


def forked_worker(environment: Mapping[str, str], log: Path, side: Literal["keys", "records"]) -> Forked:
    """A worker like that of `vaultctl serve worker`."""
    return Forked(FORKS.Process(target=_serve_worker, args=(dict(environment), log, side)))


def forked_api(environment: Mapping[str, str], log: Path) -> Forked:
    """An API like that of `vaultctl serve api`, with a worker process of its own."""
    return Forked(FORKS.Process(target=_serve_api, args=(dict(environment), log)))


def forked_command(environment: Mapping[str, str], words: Sequence[str], out: Path, error: Path) -> Forked:
    """A command like that of `vaultctl …`, with nobody at the keyboard."""
    return Forked(FORKS.Process(target=_run_command, args=(dict(environment), tuple(words), out, error)))


def killable_kms(
    environment: Mapping[str, str], log: Path, call: str, kill_at: int, count_file: Path
) -> Forked:
    """A key service that dies after its n-th step of a call."""
    arguments = (dict(environment), log, call, kill_at, count_file)
    return Forked(FORKS.Process(target=_serve_killable_kms, args=arguments))


def _serve_kms(environment: dict[str, str], log: Path, dawdle_s: float) -> None:
    from vault_service.bootstrap.kms import serve_kms
    from vault_service.kms.rotation import rewrap
    from vault_service.settings import load_settings

    become(environment, log)
    write = rewrap.write_page

    def dawdling(*args: Any) -> Any:
        time.sleep(random.uniform(0, dawdle_s))
        return write(*args)

    if dawdle_s:
        rewrap.write_page = dawdling  # type: ignore[assignment]  # the same call
    serve_kms(load_settings())


def _serve_worker(environment: dict[str, str], log: Path, side: Literal["keys", "records"]) -> None:
    from vault_service.bootstrap.worker import serve_worker
    from vault_service.settings import load_settings

    become(environment, log)
    serve_worker(load_settings(), side)


def _serve_api(environment: dict[str, str], log: Path) -> None:
    from vault_service.api.server import run
    from vault_service.settings import load_settings

    become(environment, log)
    run(load_settings())


def _run_command(environment: dict[str, str], words: tuple[str, ...], out: Path, error: Path) -> None:
    from vault_service.cli.main import main

    become(environment, out, error)
    remember_them(kept_beside(environment))
    sys.argv = ["vaultctl", *words]
    main()


def _serve_killable_kms(
    environment: dict[str, str], log: Path, call: str, kill_at: int, count_file: Path
) -> None:
    become(environment, log)
    killable.serve_kms(call, killable.Steps(kill_at, count_file))


def become(environment: dict[str, str], log: Path, errors: Path | None = None) -> None:
    """Take the environment and the log of the service that this process is from now on."""
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output, (errors or log).open("ab") as error, Path(os.devnull).open() as nobody:
        os.dup2(nobody.fileno(), 0)
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(error.fileno(), sys.stderr.fileno())
