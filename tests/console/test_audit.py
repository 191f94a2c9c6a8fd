"""Officers look into both logs at the console: what they find, what they prove, what that leaves behind."""

import contextlib
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.audit.whole import start_worker, until_sealed
from tests.console.desk import Browser, Desk
from tests.rig.people import Person
from tests.rig.vault import REPOSITORY
from vault_service.console.app import create_app
from vault_service.domain.events import KeysEvent as K
from vault_service.policy.authority import Authority
from vault_service.verify.export import verify_export
from vault_service.verify.receipts import verify_receipts

EVENT = re.compile(r'href="(/audit/keys/[0-9a-f-]{36}/[0-9a-f-]{36})"')


@dataclass(frozen=True)
class Auditing:
    """Dora at the console, and somebody whose sign-up stands in the sealed logs."""

    desk: Desk
    dora: Browser
    person: Person

    def look(self, **asked: str) -> str:
        answer = self.dora.client.get("/audit", query_string={"ask": "1", **asked})
        assert answer.status_code == HTTPStatus.OK, answer.text
        return answer.text

    def events(self) -> list[str]:
        """Addresses of those about the person, newest first: the looking itself, and what is sealed."""
        return EVENT.findall(self.look(user=str(self.person.user), side="keys"))


@pytest.fixture(scope="module")
def auditing(desk: Desk) -> Iterator[Auditing]:
    vault = desk.office.vault
    keys, records = vault.keys.open("vault_auditor_keys", 2), vault.records.open("vault_auditor_records", 2)
    services = replace(desk.services, audit_keys=keys, audit_records=records, cosigners=(vault.cosigner,))
    looking = replace(desk, services=services, app=create_app(services))
    person = desk.office.somebody()
    workers = [start_worker(vault, side) for side in ("records", "keys")]
    with contextlib.closing(keys), contextlib.closing(records):
        until_sealed(vault, "records")
        until_sealed(vault, "keys")
        yield Auditing(looking, looking.signed_in("dora"), person)
    for worker in workers:
        worker.stop()


def test_what_was_logged_about_somebody_is_found_and_looking_for_it_is_logged(auditing: Auditing) -> None:
    with auditing.desk.leaves(K.AUDIT_SEARCHED):
        page = auditing.look(user=str(auditing.person.user))

    assert "A user was enrolled" in page
    (about,) = auditing.desk.sql(
        """SELECT user_id, officer_id IS NULL, length(digest) FROM audit_events
           WHERE kind = 106 ORDER BY event_id DESC LIMIT 1"""
    )
    assert about == (auditing.person.user, False, 32)


def test_the_form_alone_looks_at_nothing(auditing: Auditing) -> None:
    with auditing.desk.leaves():
        assert auditing.dora.get("/audit").status_code == HTTPStatus.OK


def test_officers_see_ids_and_never_a_login(auditing: Auditing) -> None:
    address = auditing.events()[-1]
    shown = [auditing.look(), auditing.dora.get(address).text, auditing.dora.get(f"{address}/proof").text]

    assert not any(auditing.person.login in page for page in shown)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("user", "ana@example.org"),
        ("user", "00000000-0000-0000-0000-000000000000"),
        ("case", '"><script>alert(1)</script>'),
        ("officer", "' OR 1=1 --"),
        ("kind", "keys.__class__"),
        ("kind", "other.unlocked"),
        ("side", "both"),
        ("since", "yesterday"),
        ("until", "2026-02-31T10:00"),
    ],
)
def test_a_filter_that_is_none_is_told_at_its_field(auditing: Auditing, name: str, typed: str) -> None:
    with auditing.desk.leaves():
        answer = auditing.dora.client.get("/audit", query_string={"ask": "1", name: typed})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert f'id="{name}-error"' in answer.text
    assert "<script>alert" not in answer.text


def test_an_entry_is_proven_with_one_click_and_whoever_has_the_keys_can_check_it(auditing: Auditing) -> None:
    address = auditing.events()[-1]
    page = auditing.dora.get(address)
    assert f'href="{address}/proof"' in page.text
    assert "It stands in the sealed log" in auditing.dora.get(f"{address}/proof").text

    file, keys = auditing.dora.get(f"{address}/proof.json"), auditing.dora.get("/audit/audit.vkey")

    assert file.headers["Content-Disposition"].startswith("attachment")
    assert verify_receipts(file.data, keys.data).findings == []
    assert b'"log":"keys"' in file.data


def test_an_entry_that_there_is_not_has_no_page(auditing: Auditing) -> None:
    address = auditing.events()[-1]
    elsewhere = address.replace("/keys/", "/records/")

    for path in (elsewhere, f"{elsewhere}/proof", address.replace("/keys/", "/others/"), address[:-1]):
        assert auditing.dora.get(path).status_code == HTTPStatus.NOT_FOUND


def test_an_export_from_the_page_is_sound_elsewhere_and_leaves_an_event(
    auditing: Auditing, tmp_path: Path
) -> None:
    with auditing.desk.leaves(K.AUDIT_EXPORTED):
        auditing.dora.get("/audit")
        answer = auditing.dora.submit("/audit/export")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        archive.extractall(tmp_path)

    seen = verify_export(tmp_path / "vault-audit", auditing.dora.get("/audit/audit.vkey").data)

    assert (answer.mimetype, seen.findings) == ("application/zip", [])


def test_nobody_takes_an_export_for_an_officer_from_another_site(auditing: Auditing) -> None:
    with auditing.desk.leaves():
        stranger = auditing.dora.client.post("/audit/export", headers={"Origin": "https://evil.example"})

    assert stranger.status_code == HTTPStatus.FORBIDDEN


def test_whom_the_policy_does_not_let_audit_sees_a_case_s_entries_alone(
    auditing: Auditing, tmp_path: Path
) -> None:
    """The refusal is an entry itself."""
    rules = (REPOSITORY / "policies/officers.cedar").read_text()
    (tmp_path / "officers.cedar").write_text(
        rules.replace('["auditor", "approver", "discloser"]', '["auditor"]')
    )
    schema = REPOSITORY / "policies/officers.cedarschema"
    (tmp_path / "officers.cedarschema").write_text(schema.read_text())
    recovery = replace(auditing.desk.services.recovery, authority=Authority.load(tmp_path))
    services = replace(auditing.desk.services, recovery=recovery)
    browser = replace(auditing.desk, services=services, app=create_app(services)).signed_in("dora")
    address = auditing.events()[-1]
    (case,) = auditing.desk.sql("SELECT case_id FROM cases LIMIT 1")

    for path in ("/audit?ask=1", "/audit", address, f"{address}/proof", f"{address}/proof.json"):
        with auditing.desk.leaves(K.OFFICER_REFUSED):
            assert browser.get(path).status_code == HTTPStatus.FORBIDDEN
    with auditing.desk.leaves(K.OFFICER_REFUSED):
        assert browser.submit("/audit/export").status_code == HTTPStatus.FORBIDDEN
    with auditing.desk.leaves(K.AUDIT_SEARCHED):
        assert "A recovery case was opened" in browser.get(f"/audit?ask=1&case={case[0]}").text


def test_a_console_without_the_auditors_roles_says_so(desk: Desk) -> None:
    page = desk.signed_in("dora").get("/audit?ask=1").text

    assert "does not look into the keys log" in page
    assert "does not look into the records log" in page


def test_whoever_is_not_signed_in_is_sent_to_the_door(desk: Desk) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    for path in ("/audit", "/audit/audit.vkey", f"/audit/keys/{nobody}/{nobody}/proof.json"):
        assert desk.browser().get(path).headers["Location"].startswith("/sign-in?then=")
