"""`vaultctl audit accept-restore`, and what doctor says of a database that is behind."""

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import vaultctl
from tests.kms.logs import Log, ask, forget, last_head, sign
from tests.rig.postgres import TestServer
from tests.rig.vault import REPOSITORY, Vault, vault_of_its_own
from vault_service.domain.events import KeysEvent


@pytest.fixture(scope="module")
def sealing(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """One vault for this module (see `unsealed`)."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture
def unsealed(sealing: Vault) -> Iterator[Vault]:
    """Nothing was ever signed; what a test had signed, and a restore that it accepted, is forgotten."""
    yield sealing
    forget(sealing)
    Log().store(sealing.records)
    with sealing.keys.superuser() as conn:
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM audit_events WHERE kind = %s", [int(KeysEvent.LOG_RESTORED)])
        conn.execute("ALTER TABLE audit_events ENABLE TRIGGER ALL")


@pytest.fixture
def restored(unsealed: Vault) -> Vault:
    """Of the keys log a head of 10 leaves was signed, and the database has 7."""
    log = Log().grow_to(7)
    sign(unsealed, log, 0)
    older = log.copy()
    sign(unsealed, log.grow_to(10), 7)
    older.store(unsealed.keys)
    return unsealed


def generation(vault: Vault) -> int:
    return last_head(vault, "keys").generation


def typed(vault: Vault, answer: str) -> "subprocess.CompletedProcess[str]":
    """Run it on a terminal, and type."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode() + b"\n")
    try:
        return subprocess.run(
            [sys.executable, "-m", "vault_service.cli", "audit", "accept-restore", "--side", "keys"],
            env=vault.environment, cwd=REPOSITORY, stdin=theirs, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_restored_database_is_found_and_accepted_by_whoever_types_what_is_lost(restored: Vault) -> None:
    checks = {row["check"]: row for row in vaultctl(restored, "doctor", "--json").json}
    behind = checks["keys database: last signed head"]
    assert not behind["ok"]
    assert behind["remedy"].endswith("vaultctl audit accept-restore --side keys")

    refused = typed(restored, "4")
    assert (refused.returncode, generation(restored)) == (5, 1)

    accepted = typed(restored, "3")
    assert accepted.returncode == 0, accepted.stderr
    assert "3 events are lost for ever" in accepted.stderr
    assert "/keys/restored-1" in accepted.stdout
    assert generation(restored) == 2


def test_a_script_names_the_size_of_the_restored_database(restored: Vault) -> None:
    accept = ("audit", "accept-restore", "--side", "keys", "--json")

    assert vaultctl(restored, *accept).code == 2  # nobody to ask
    assert vaultctl(restored, *accept, "--yes-I-confirm-loss-from", "10").code == 2
    assert generation(restored) == 1

    done = vaultctl(restored, *accept, "--yes-I-confirm-loss-from", "7")
    assert (done.json["goes_on_from"], done.json["given_up"], done.json["generation"]) == (7, 10, 2)

    again = vaultctl(restored, *accept)
    assert (again.code, again.json["goes_on_from"]) == (0, 7)  # nothing new is accepted: nobody is asked
    assert generation(restored) == 2


def test_a_backup_that_was_put_back_twice_gets_its_event_again(restored: Vault) -> None:
    """As the worker's refusal says: until the log names what was lost, nothing is signed."""
    accept = ("audit", "accept-restore", "--side", "keys", "--json", "--yes-I-confirm-loss-from", "7")
    assert vaultctl(restored, *accept).code == 0
    with restored.keys.superuser() as conn:
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM audit_events WHERE kind = %s", [int(KeysEvent.LOG_RESTORED)])

    assert vaultctl(restored, *accept).code == 0

    with restored.keys.superuser() as conn:
        told = conn.execute("SELECT FROM audit_events WHERE kind = %s", [int(KeysEvent.LOG_RESTORED)])
        assert told.rowcount == 1


def test_a_database_that_is_not_older_is_not_accepted(unsealed: Vault) -> None:
    sign(unsealed, Log().grow_to(7), 0)

    done = vaultctl(unsealed, "audit", "accept-restore", "--side", "keys", "--yes-I-confirm-loss-from", "7")

    assert (done.code, generation(unsealed)) == (5, 1)
    assert "not older" in done.err


def test_of_the_records_database_too_only_an_older_one_is_accepted_by_its_size(unsealed: Vault) -> None:
    """The key service cannot see it: the command looks, and names the root that the log goes on from."""
    log = Log().grow_to(7)
    older = log.copy()
    ask(unsealed, log.asking(0, "records"))
    ask(unsealed, log.grow_to(10).asking(7, "records"))
    log.store(unsealed.records)
    accept = ("audit", "accept-restore", "--side", "records", "--json", "--yes-I-confirm-loss-from")

    assert vaultctl(unsealed, *accept, "10").code == 5  # nothing is older
    log.grow_to(12).store(unsealed.records)
    assert vaultctl(unsealed, *accept, "12").code == 5  # nor one that has gone on and is not signed yet
    older.store(unsealed.records)
    assert vaultctl(unsealed, *accept, "10").code == 2
    assert last_head(unsealed, "records").generation == 1

    done = vaultctl(unsealed, *accept, "7")
    assert (done.json["goes_on_from"], done.json["given_up"], done.json["generation"]) == (7, 10, 2)
    head = last_head(unsealed, "records")
    assert (head.generation, head.size, head.root) == (2, 7, older.root())
    assert head.origin.endswith("/records/restored-1")
    assert last_head(unsealed, "keys").generation == 1
