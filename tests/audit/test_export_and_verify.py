"""A whole vault, both workers sealing: traffic, export, and what an auditor elsewhere finds."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.commands import Ran, vaultctl
from tests.kms.chains import key_service
from tests.rig.postgres import TestServer, fresh_database
from tests.rig.started import start_forked_api, start_forked_worker
from tests.rig.vault import PASSWORD, Vault, running_vault
from tests.rotation.inside import Inside
from tests.rotation.operator import Operator
from vault_service.client import LoginRefusedError, VaultClient


@dataclass
class Audited:
    """The vault, and the auditor's own folder."""

    vault: Vault
    desk: Path

    def traffic(self, login: str) -> bytes:
        """A person who signs up, keeps, reads and searches, and fetches receipts."""
        with VaultClient(self.vault.api_url, app_key=self.vault.app_key) as client:
            client.sign_up(login, PASSWORD)
            with pytest.raises(LoginRefusedError):
                client.sign_in(login, "not the password at all")
            with client.sign_in(login, PASSWORD) as session:
                kept = session.records.create("contact", {"email": login, "full_name": "Ana Silva"})
                session.records.get(kept.record_id)
                list(session.records.find(collection="contact", where={"email": login}))
            with client.sign_in(login, PASSWORD) as session:
                return session.receipts().document

    def export(self, name: str) -> Path:
        done = vaultctl(self.vault, "audit", "export", self.desk / name, "--json")
        assert done.code == 0, done.err
        return self.desk / name

    def verify(self, folder: Path, *more: str | Path) -> Ran:
        return vaultctl(
            self.vault, "audit", "verify", folder, "--key", self.desk / "audit.vkey", "--json", *more
        )


@pytest.fixture(scope="module")
def audited(scratch: Path, postgres: TestServer) -> Iterator[Audited]:
    with (
        fresh_database(postgres, "keys") as keys,
        fresh_database(postgres, "records") as records,
        running_vault(scratch / f"audited-{keys.name}", keys, records, forked=True) as vault,
    ):
        start_forked_worker(vault, "records")
        start_forked_worker(vault, "keys")
        start_forked_api(vault)
        desk = scratch / f"desk-{keys.name}"
        desk.mkdir()
        made = Audited(vault, desk)
        made.traffic("first@example.org")
        shutil.copy(made.export("first") / "audit.vkey", desk / "audit.vkey")
        yield made


def test_what_a_vault_exports_is_sound_for_an_auditor_who_has_the_keys_only(audited: Audited) -> None:
    folder = audited.desk / "first"
    shutil.copytree(folder, audited.desk / "elsewhere")

    done = audited.verify(audited.desk / "elsewhere")

    assert done.code == 0, done.out
    assert done.json["findings"] == []
    kinds = [json.loads(line)["kind"] for line in (folder / "records/events.jsonl").read_text().splitlines()]
    assert {"session_opened", "record_created", "record_read", "records_searched"} <= set(kinds)
    refused = (folder / "keys/events.jsonl").read_text()
    assert "unlock_refused" in refused  # although nothing else was committed


def test_later_exports_contain_what_the_auditor_kept(audited: Audited) -> None:
    kept = [
        shutil.copy(audited.desk / f"first/{log}/checkpoint", audited.desk / f"{log}.kept")
        for log in ("keys", "records")
    ]
    audited.traffic("second@example.org")

    again = audited.export("first")
    afresh = audited.export("second")

    for place in (again, afresh):
        done = audited.verify(place, "--checkpoint", kept[0], "--checkpoint", kept[1])
        assert done.code == 0, done.out


def test_receipts_are_sound_with_the_same_keys(audited: Audited) -> None:
    document = audited.desk / "receipts.json"
    with VaultClient(audited.vault.api_url, app_key=audited.vault.app_key) as client:
        login = "third@example.org"
        client.sign_up(login, PASSWORD)
        with client.sign_in(login, PASSWORD) as session:
            session.records.create("contact", {"email": login})
        audited.export("third")  # which waits until all of it is sealed
        with client.sign_in(login, PASSWORD) as session:
            document.write_bytes(session.receipts().document)
            assert all(access.seal for access in list(session.accesses())[-3:])

    done = vaultctl(
        audited.vault, "audit", "verify-receipts", document, "--key", audited.desk / "audit.vkey", "--json"
    )

    assert done.code == 0, done.out
    assert len(json.loads(document.read_bytes())["receipts"]) >= 3


def test_doctor_finds_both_logs_sealed(audited: Audited) -> None:
    done = vaultctl(audited.vault, "doctor", "--json")

    checks = {row["check"]: row for row in done.json}
    for log in ("keys", "records"):
        assert checks[f"{log} log"]["ok"], checks
        assert checks[f"{log} database: last signed head"]["ok"], checks
    assert checks["witnesses"]["detail"].startswith("warning: ")


def test_the_logs_go_on_under_a_new_signing_key_and_what_the_old_one_signed_stays_sound(
    audited: Audited,
) -> None:
    """Both sign while the old one is retiring, so that whoever knows one of them goes on until told."""
    vault, old_keys = audited.vault, audited.vault.log_keys
    kept = [
        shutil.copy(audited.desk / f"second/{log}/checkpoint", audited.desk / f"{log}.by-the-old-key")
        for log in ("keys", "records")
    ]
    with Operator.of(vault) as operator:
        operator.next("audit-signing")
    audited.traffic("fourth@example.org")
    both = audited.export("both")
    assert signatures(both) == {"keys": 2, "records": 2}
    behind = audited.verify(both)
    assert [found["name"] for found in behind.json["findings"]] == ["key.differs"], (
        "the auditor has not been told"
    )

    shutil.copy(both / "audit.vkey", audited.desk / "audit.vkey")
    done = audited.verify(both, "--checkpoint", kept[0], "--checkpoint", kept[1])
    assert done.code == 0, done.out

    new_keys = vault.read_log_keys()
    assert not set(new_keys) & set(old_keys)
    vault.log_keys = new_keys  # the witness is told, in its settings
    vault.write_settings()
    vault.running["worker_records"].stop()
    start_forked_worker(vault, "records")
    with key_service(vault) as service:
        Inside(service).retire("audit-signing", 1)
        Inside(service).destroy("audit-signing", 1)

    audited.traffic("fifth@example.org")
    alone = audited.export("alone")
    shutil.copy(alone / "audit.vkey", audited.desk / "audit.vkey")
    assert signatures(alone) == {"keys": 1, "records": 1}
    done = audited.verify(alone, "--checkpoint", kept[0], "--checkpoint", kept[1])
    assert done.code == 0, done.out
    assert "cosigned by" in str(done.json["checked"])
    receipts = audited.desk / "receipts.json"  # of before
    done = vaultctl(vault, "audit", "verify-receipts", receipts, "--key", audited.desk / "audit.vkey")
    assert done.code == 0, done.out


def signatures(folder: Path) -> dict[str, int]:
    """How many keys of the vault signed the newest head of each log."""
    found = {}
    for log in ("keys", "records"):
        text, _, lines = (folder / log / "checkpoint").read_text().partition("\n\n")
        origin = text.splitlines()[0]
        found[log] = sum(line.split()[1] == origin for line in lines.splitlines())
    return found


def test_an_edited_event_of_a_living_vault_is_found(audited: Audited) -> None:
    """Last: it does the vault harm."""
    with audited.vault.records.superuser() as conn:
        conn.execute("ALTER TABLE audit_events DISABLE TRIGGER USER")
        conn.execute(
            "UPDATE audit_events SET n = 2 "
            "WHERE event_id = (SELECT event_id FROM audit_leaves WHERE leaf_index = 1)"
        )

    done = audited.verify(audited.export("tampered"))

    assert done.code == 1
    assert [(found["name"], found["where"]["index"]) for found in done.json["findings"]] == [
        ("leaf.edited", 1)
    ]
