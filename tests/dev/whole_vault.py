"""A whole vault as `make run` starts it, in a process of its own, for the tests."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.dev.waiting import is_running, until
from tests.rig.ports import free_port
from vault_service.dev.process import vaultctl


class WholeVault:
    """One VAULT_HOME, started and stopped as often as a test wants."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.console_port = free_port()
        self.output = home.with_suffix(".out")
        self.process: subprocess.Popen[bytes] | None = None
        self.user = self.app_key = ""  # who is to be found again, and by which app

    def command(self) -> "subprocess.Popen[bytes]":
        """Start it, and wait for nothing."""
        environment = os.environ | {
            "VAULT_HOME": str(self.home),
            "VAULT_API_PORT": str(self.port),
            "VAULT_CONSOLE_PORT": str(self.console_port),
        }
        with self.output.open("wb") as output:
            return subprocess.Popen(vaultctl("dev"), env=environment, stdout=output, stderr=output)

    def start(self) -> dict[str, Any]:
        """Start it and wait until it is ready; returns ready.json."""
        self.process = self.command()
        ready = self.home / "ready.json"

        def there() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.said()
            return ready.exists() and self._ready()["pids"]["supervisor"] == self.process.pid

        until(there, timeout_s=180)
        return self._ready()

    def _ready(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "ready.json").read_bytes())
        return found

    def ready_after_the_death_of(self, name: str) -> dict[str, Any]:
        """Kill one process; returns ready.json once it names a successor."""
        before = self._ready()["pids"][name]
        os.kill(before, signal.SIGKILL)
        until(lambda: self._ready()["pids"][name] != before, timeout_s=180)
        return self._ready()

    def refused(self) -> str:
        """Start it although it cannot; returns what it said."""
        process = self.command()
        assert process.wait(180) == 3, self.said()
        return self.said()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the supervisor; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(90)

    def end(self) -> None:
        """After a test, however it went."""
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def said(self) -> str:
        """What it printed."""
        return self.output.read_text()


def survivors(pids: dict[str, int]) -> list[str]:
    """Which of these processes still run."""
    return [name for name, pid in pids.items() if is_running(pid)]
