"""The service manager of these tests ends with whoever wanted it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.dev.waiting import is_running

pytestmark = pytest.mark.slow


@dataclass
class Manager:
    """Keeps a service running that ends at once."""

    folder: Path
    tester: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return int((self.folder / "vault-ceremony.pid").read_text())

    def start(self) -> None:
        environment = {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "VAULT_HOME": str(self.folder),
            "TESTED_BY": str(self.tester.pid),
        }  # fmt: skip
        subprocess.run(
            [self.folder / "systemctl", "start", "vault-ceremony"], env=environment, check=True, timeout=20,
            cwd=self.folder,
        )  # fmt: skip
        while not (self.folder / "began").exists():
            assert self.lives()
            time.sleep(0.05)

    def lives(self) -> bool:
        return is_running(self.pid)

    def ends(self) -> bool:
        """Within half a minute, which is no measure of anything."""
        until = time.monotonic() + 30
        while self.lives():
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    shutil.copy(Path(__file__).with_name("systemctl"), tmp_path)
    service = tmp_path / "vaultctl"
    service.write_text("#!/bin/sh\necho began >>began\nexit 4\n")
    service.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as tester:
        manager = Manager(tmp_path, tester)
        manager.start()
        pid = manager.pid
        yield manager
        tester.kill()
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def test_it_ends_with_the_run_of_tests_that_wanted_it(manager: Manager) -> None:
    assert manager.lives()

    manager.tester.kill()
    manager.tester.wait()

    assert manager.ends()


def test_it_ends_when_its_vault_was_removed(manager: Manager) -> None:
    assert manager.lives()

    (manager.folder / "systemctl").unlink()

    assert manager.ends()


def test_what_has_ended_is_started_though_nobody_has_reaped_it(manager: Manager) -> None:
    """PID 1 of a container takes its seconds."""
    (manager.folder / "vaultctl").write_text("#!/bin/sh\nexit 3\n")
    assert manager.ends()
    first = manager.pid

    manager.start()

    assert manager.pid != first
