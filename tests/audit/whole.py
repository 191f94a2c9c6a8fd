"""A vault whose workers seal both logs as in production, with the records side's witness."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.audit.sealers import database_of
from tests.rig.postgres import TestServer
from tests.rig.service import Process
from tests.rig.started import start_forked
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.domain.logs import key_name
from vault_service.storage.audit.checkpoints import Saved, newest_checkpoint
from vault_service.storage.roles import Side
from vault_service.tlog.keys import ED25519, VerifierKey

_PATIENCE_S = 90.0


def log_key(vault: Vault, side: Side) -> VerifierKey:
    """The key that signs a log, from the manifest: what an auditor pins."""
    with vault.keys.superuser() as conn:
        row = conn.execute("SELECT body FROM manifests ORDER BY serial DESC LIMIT 1").fetchone()
    assert row is not None
    assert isinstance(row[0], bytes)
    key = json.loads(row[0])["keys"]["audit_signing"][0]["public_key"]
    return VerifierKey(key_name(vault.fingerprint, side), ED25519, bytes.fromhex(key))


def witness_key(vault: Vault) -> VerifierKey:
    """The records side's."""
    return VerifierKey.parse(vault.cosigner)


@contextmanager
def whole_vault(
    scratch: Path, postgres: TestServer, before_start: Callable[[Vault], object] = lambda _: None
) -> Iterator[Vault]:
    """Key service and both workers."""
    with vault_of_its_own(scratch, postgres, before_start) as vault:
        for side in ("records", "keys"):
            start_worker(vault, side)
        yield vault


def start_worker(vault: Vault, side: str) -> Process:
    return start_forked(vault, f"worker_{side}", "serve", "worker", "--side", side)


def saved(vault: Vault, side: Side) -> Saved | None:
    with database_of(vault, side).superuser() as conn:
        conn.execute("SET timezone = 'UTC'")
        return newest_checkpoint(conn)


def until(condition: Callable[[], bool], vault: Vault, what: str) -> None:
    """Wait for something that comes by itself."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            logs = {name: process.log.read_text()[-1500:] for name, process in vault.running.items()}
            raise AssertionError(f"{what} never came: {logs}")
        time.sleep(0.05)


def until_sealed(vault: Vault, side: Side) -> Saved:
    """Wait for a head that covers everything that is committed now."""
    with database_of(vault, side).superuser() as conn:
        row = conn.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        conn.execute("NOTIFY audit_seal")
        now = row[0]

        def covered() -> bool:
            found = saved(vault, side)
            return found is not None and found.covers_until >= now  # type: ignore[operator]

        until(covered, vault, f"a head of the {side} log")
    found = saved(vault, side)
    assert found is not None
    return found
