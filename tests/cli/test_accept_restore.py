"""`vaultctl audit accept-restore`, and what doctor says of a database that is behind."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.commands import vaultctl
from tests.kms.logs import Log, ask, last_head
from tests.rig.vault import REPOSITORY, Vault
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.events import KeysEvent
from vault_service.kms.messages import CheckpointSigned, LogHead, LogHeadIs
from vault_service.settings import KmsClient


@pytest.fixture
def restored(own_vault: Vault) -> Vault:
    """Of the keys log a head of 10 leaves was signed, and the database has 7."""
    client = kms_client(KmsClient(url=own_vault.socket("worker_keys")))
    log = Log().grow_to(7)
    log.store(own_vault.keys)
    client.call(log.asking(0), CheckpointSigned)
    older = log.copy()
    log.grow_to(10).store(own_vault.keys)
    client.call(log.asking(7), CheckpointSigned)
    client.close()
    older.store(own_vault.keys)
    return own_vault


def generation(vault: Vault) -> int:
    client = kms_client(KmsClient(url=vault.socket("operator")))
    try:
        return client.call(LogHead("keys"), LogHeadIs).generation
    finally:
        client.close()


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


def test_a_database_that_is_not_older_is_not_accepted(own_vault: Vault) -> None:
    client = kms_client(KmsClient(url=own_vault.socket("worker_keys")))
    log = Log().grow_to(7)
    log.store(own_vault.keys)
    client.call(log.asking(0), CheckpointSigned)
    client.close()

    done = vaultctl(own_vault, "audit", "accept-restore", "--side", "keys", "--yes-I-confirm-loss-from", "7")

    assert (done.code, generation(own_vault)) == (5, 1)
    assert "not older" in done.err


def test_of_the_records_database_too_only_an_older_one_is_accepted_by_its_size(own_vault: Vault) -> None:
    """The key service cannot see it: the command looks, and names the root that the log goes on from."""
    log = Log().grow_to(7)
    older = log.copy()
    ask(own_vault, log.asking(0, "records"))
    ask(own_vault, log.grow_to(10).asking(7, "records"))
    log.store(own_vault.records)
    accept = ("audit", "accept-restore", "--side", "records", "--json", "--yes-I-confirm-loss-from")

    assert vaultctl(own_vault, *accept, "10").code == 5  # nothing is older
    log.grow_to(12).store(own_vault.records)
    assert vaultctl(own_vault, *accept, "12").code == 5  # nor one that has gone on and is not signed yet
    older.store(own_vault.records)
    assert vaultctl(own_vault, *accept, "10").code == 2
    assert last_head(own_vault, "records").generation == 1

    done = vaultctl(own_vault, *accept, "7")
    assert (done.json["goes_on_from"], done.json["given_up"], done.json["generation"]) == (7, 10, 2)
    head = last_head(own_vault, "records")
    assert (head.generation, head.size, head.root) == (2, 7, older.root())
    assert head.origin.endswith("/records/restored-1")
    assert last_head(own_vault, "keys").generation == 1
