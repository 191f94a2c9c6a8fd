"""Run vaultctl as a person does, and look at what it printed."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.forked import forked_command
from tests.rig.vault import Vault


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def vaultctl(vault: Vault, *arguments: str | Path, timeout_s: float = 60) -> Ran:
    """Run it against this vault."""
    environment = {**vault.environment, "VAULT_API_URL": vault.api_url, "COLUMNS": "120"}
    return run(environment, *arguments, timeout_s=timeout_s)


def run(environment: Mapping[str, str], *arguments: str | Path, timeout_s: float = 60) -> Ran:
    """Forked: to load the command line takes longer than most commands. A service's environment says
    SCRUBBING, or it would begin again as the server that it was forked from."""
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder, "out"), Path(folder, "error")
        running = forked_command(environment, [str(each) for each in arguments], out, error)
        try:
            code = running.wait(timeout_s)
        except subprocess.TimeoutExpired:
            running.kill()
            raise
        return Ran(code, out.read_text("utf-8"), error.read_text("utf-8"))
