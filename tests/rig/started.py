"""Services of a test vault, forked: as `vaultctl serve …` starts them, but sooner; no memory is scrubbed.

From a shell each loads its libraries first, which takes a second of a processor. Whether that goes well is
seen by tests/dev/test_run.py, and by all tests of the vault that a session shares.
"""

from tests.rig.forked import forked_command
from tests.rig.service import Process
from tests.rig.vault import Vault
from vault_service.storage.roles import Side


def start_forked(vault: Vault, name: str, *words: str) -> Process:
    """Run `vaultctl WORDS` and wait for nothing."""
    log = vault.home / f"{name}.log"
    vault.running[name] = Process(name, forked_command(vault.environment, words, log, log), log)
    return vault.running[name]


def start_forked_api(vault: Vault) -> Process:
    """Ready."""
    process = start_forked(vault, "api", "serve", "api")
    vault.wait_for(vault.api_is_ready, process)
    return process


def start_forked_worker(vault: Vault, side: Side) -> Process:
    """Ready; the records side's first, since it cosigns for both."""
    name = f"worker_{side}"
    log = vault.home / f"{name}.log"
    said = log.stat().st_size if log.exists() else 0
    process = start_forked(vault, name, "serve", "worker", "--side", side)
    vault.wait_for(lambda: b"worker.ready" in log.read_bytes()[said:], process)
    return process
