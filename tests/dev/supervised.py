"""A program for the tests: supervise small processes as `vaultctl dev` does its own.

    python -m tests.dev.supervised FOLDER [stubborn] [once] [broken]

Announces process ids in FOLDER/pids.json and tells what happened in FOLDER/said; each process appends
to FOLDER/ended when it is told to stop.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vault_service.dev.child import ChildSpec
from vault_service.dev.process import current_user
from vault_service.dev.supervisor import ChildFailedError, StopRequested, Supervisor, stop_signals

# Says "up"; at SIGTERM notes its name and ends. It keeps a child of its own, as a server its workers.
_POLITE = """
import os, pathlib, signal, subprocess, sys, time
def end(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
note = pathlib.Path(sys.argv[1] + "-" + sys.argv[2] + "-worker")
new = note.with_suffix(".new")
new.write_text(str(worker.pid))
os.replace(new, note)
print("up", flush=True)
time.sleep(600)
"""
_STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
_SERVES_ONCE = """
import pathlib, sys, time
print("up", flush=True)
go = pathlib.Path(sys.argv[1] + "-go")
while not go.exists():
    time.sleep(0.01)
"""
_BROKEN = "raise SystemExit('the first line\\nthe reason')"


def _spec(name: str, program: str, stage: int, folder: Path, stop_timeout_s: float = 60.0) -> ChildSpec:
    return ChildSpec(
        name,
        [sys.executable, "-c", program, str(folder / "ended"), name],
        current_user(),
        stage,
        announces="up",
        stop_timeout_s=stop_timeout_s,
    )


def main(folder: Path, kinds: set[str]) -> None:
    specs = [_spec("base", _POLITE, 0, folder), _spec("leaf", _POLITE, 1, folder)]
    if "stubborn" in kinds:
        specs.append(_spec("stubborn", _STUBBORN, 2, folder, stop_timeout_s=0.5))
    if "once" in kinds:
        specs.append(replace(_spec("once", _SERVES_ONCE, 2, folder), works_once=True))
    if "broken" in kinds:
        specs.append(_spec("broken", _BROKEN, 2, folder))

    def announce(pids: Mapping[str, int]) -> None:
        fresh = folder / "pids.new"
        fresh.write_text(json.dumps(dict(pids)))
        fresh.replace(folder / "pids.json")

    def say(text: str) -> None:
        with (folder / "said").open("a") as file:
            file.write(text + "\n")

    supervisor = Supervisor(folder, say)
    with stop_signals():
        try:
            supervisor.start(*specs)
            supervisor.watch(all_ready=lambda: True, announce=announce)
        except StopRequested:
            pass
        except ChildFailedError as error:
            sys.exit(error.detail)
        finally:
            supervisor.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), set(sys.argv[2:]))
