"""Who touched my data, with proofs that anybody can check; and the files to take along."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import sentinel

import pytest

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, Browser, words_of
from tests.audit.sealed_log import Notary, SealedLog
from tests.records.signed_in import POLICIES, Records, Somebody
from tests.rig.postgres import TestDatabase
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.records_log import RecordsLog
from vault_service.accounts.service import AccountParts
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.accesses import BY_OFFICERS, WHAT
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import UserPage
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import AppId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.policy.page_rules import UserPageRule
from vault_service.verify.receipts import verify_receipts


@dataclass
class Trail:
    """A records database whose log is sealed when a test says so."""

    records: Records
    log: SealedLog
    browser: Browser

    def enter(self) -> Somebody:
        who = self.records.sign_up()
        self.browser.http.set_cookie("__Host-me", who.token.reveal(), domain="vault.example.org")
        return who


@pytest.fixture
def trail(records_db: TestDatabase) -> Iterator[Trail]:
    db = records_db.open("vault_api", size=1)
    records = Records(records_db, db)
    accounts = Accounts(AccountParts(db, sentinel.never_asked, POLICIES, records.clock))
    services = Services(accounts, records.store, RecordsLog(db, sentinel.never_asked))
    app_key = AppKey(AppId(new_uuid()), new_uuid(), new_secret())
    page = PageServices.of(services, UserPage(ORIGIN, app_key, UserPageRule(enabled=True, idle_s=900)))
    http = client_of(create_app(services, user_page=page))
    yield Trail(records, SealedLog(records_db, "records", Notary()), Browser(http))
    db.close()


def test_each_sealed_access_is_shown_with_its_proof(trail: Trail) -> None:
    ana = trail.enter()
    record = trail.records.keep(ana)
    trail.records.store.read(ana.token, record.record)
    trail.log.seal()

    said = words_of(trail.browser.open("/me/accesses").text)

    assert "An entry was added" in said
    assert "An entry was read" in said
    assert "demo (in this browser)" in said
    assert "Number 0 in the log" in said
    assert trail.log.notary.verifier("records").name in said


def test_the_receipts_that_are_downloaded_satisfy_the_verifier(trail: Trail) -> None:
    ana = trail.enter()
    trail.records.keep(ana)
    trail.log.seal()

    answer = trail.browser.open("/me/receipts")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-receipts.json"'
    report = verify_receipts(answer.data, trail.log.notary.key_file().encode())
    assert report.findings == []
    assert json.loads(answer.data)["receipts"]


def test_everything_that_is_kept_can_be_taken_along(trail: Trail) -> None:
    ana = trail.enter()
    for _ in range(3):
        trail.records.keep(ana)

    answer = trail.browser.open("/me/export")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="my-data.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert lines[-1] == {"records": 3, "end": True}
    assert trail.records.events(ana)["records_exported"] == 1


def test_a_long_list_has_pages(trail: Trail) -> None:
    ana = trail.enter()
    for _ in range(30):
        trail.records.keep(ana)

    first = trail.browser.open("/me/accesses").text
    assert first.count("<tr>") == 26
    second = trail.browser.open("/me/accesses" + first.split('href="/me/accesses')[2].split('"')[0])
    assert "Newer" in words_of(second.text)


def test_an_entry_that_was_altered_is_named_and_can_be_deleted(trail: Trail) -> None:
    ana = trail.enter()
    record = trail.records.keep(ana)
    trail.records.sql(
        """UPDATE records SET sealed = set_byte(sealed, 50, get_byte(sealed, 50) # 1)
           WHERE record_id = %(record)s""",
        record=record.record,
    )

    assert "does not open: it was altered" in words_of(trail.browser.open("/me/").text)
    trail.browser.open(f"/me/entries/{record.record}/delete")
    trail.browser.send(f"/me/entries/{record.record}/delete")
    assert "does not open" not in words_of(trail.browser.open("/me/").text)


def test_every_kind_of_event_is_said_in_plain_words() -> None:
    assert set(WHAT) == {each.name.lower() for each in RecordsEvent}
    assert set(WHAT) >= BY_OFFICERS
