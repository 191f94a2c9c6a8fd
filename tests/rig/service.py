"""A service of a test vault, as a process."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.rig.forked import Forked

PATIENCE_S = 60.0  # of a machine that does much else


@dataclass
class Process:
    """A service started as in production; its log is a file."""

    name: str
    popen: "subprocess.Popen[bytes] | Forked"
    log: Path

    def __post_init__(self) -> None:
        self.log.touch()  # whoever looks may do so before it has begun

    def kill(self) -> None:
        """As a crash does."""
        self.popen.kill()
        self.popen.wait(PATIENCE_S)

    def stop(self) -> None:
        """As a service manager does."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
