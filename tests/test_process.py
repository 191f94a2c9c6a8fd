"""What a process that holds keys does to itself, so that its memory stays its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises.memory import family
from tests.rig.vault import Vault
from vault_service.process import SCRUBBING

_GET_DUMPABLE = 3  # PR_GET_DUMPABLE, linux/prctl.h
HARDENED = f"""
import ctypes, resource
from vault_service.process import harden
harden()
print(ctypes.CDLL(None).prctl({_GET_DUMPABLE}, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_it_leaves_no_core_and_nobody_of_the_same_user_can_trace_it() -> None:
    said = subprocess.run(
        [sys.executable, "-c", HARDENED], capture_output=True, text=True, check=True, timeout=30
    ).stdout

    assert said == "0 (0, 0)\n"


STOPPED = """
import os, signal
from vault_service.process import until_told_to_stop
with until_told_to_stop() as stop:
    with stop._cond:  # where the main thread stands between two steps of wait()
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            os.getpid()
    stop.wait()
print("stopped")
"""


def test_it_stops_when_told_so_at_any_step_of_waiting_for_that() -> None:
    said = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, check=True, timeout=30
    )

    assert said.stdout == "stopped\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kms", "api"])
def test_the_key_service_and_the_apis_worker_do_so(served: Vault, name: str) -> None:
    serving = family(served.running[name].popen.pid)[-1]

    limits = Path(f"/proc/{serving}/limits").read_text().splitlines()

    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


@pytest.mark.slow
def test_both_begin_anew_with_an_allocator_that_overwrites_what_is_freed(
    own_vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of P2's look into their memory; a service manager's environment asks for nothing of the kind."""
    monkeypatch.setattr("tests.rig.vault.SCRUBBING", {})
    own_vault.running["kms"].stop()

    for process in (own_vault.start_kms(), own_vault.start_api()):
        serving = family(process.popen.pid)[-1]
        # glibc cuts its variable into pieces where it lies
        environment = Path(f"/proc/{serving}/environ").read_text().replace("\0", ":")
        assert all(f"{name}={value}:" in environment for name, value in SCRUBBING.items())
