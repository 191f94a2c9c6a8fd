"""Run vaultctl as a person does, and look at what it printed."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.vault import REPOSITORY, Vault


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
    done = subprocess.run(
        [sys.executable, "-m", "vault_service.cli", *map(str, arguments)],
        env={**vault.environment, "VAULT_API_URL": vault.api_url, "COLUMNS": "120"},
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
