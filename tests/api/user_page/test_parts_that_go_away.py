"""What the page says when a part of the service cannot be used, and who is kept out then."""

from pathlib import Path
from typing import Any, cast

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, Browser, words_of
from tests.api.user_page.test_attacks import PAGES, filled
from tests.records.signed_in import POLICIES, Records
from tests.rig.postgres import TestDatabase
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.records_log import RecordsLog
from vault_service.accounts.service import AccountParts
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import UserPage
from vault_service.bootstrap.connections import kms_client
from vault_service.domain.audit_errors import LogRestoredError
from vault_service.domain.ids import AppId, new_uuid
from vault_service.domain.tokens import AppKey, new_secret
from vault_service.policy.page_rules import UserPageRule
from vault_service.settings import KmsClient

APP_KEY = AppKey(AppId(new_uuid()), new_uuid(), new_secret())
NOTHING = cast("Any", None)  # nobody gets that far
PAGE = UserPage(ORIGIN, APP_KEY, UserPageRule(enabled=True, idle_s=900))


def test_without_key_service_or_database_everybody_is_told_and_nothing_is_shown(
    records_db: TestDatabase, tmp_path: Path
) -> None:
    db = records_db.open("vault_api", size=1)
    records = Records(records_db, db)
    ana = records.sign_up()
    records.keep(ana)
    kms = kms_client(KmsClient(url=f"unix:{tmp_path}/nobody.sock"))
    services = Services(Accounts(AccountParts(db, kms, POLICIES)), records.store, RecordsLog(db, kms))
    browser = Browser(client_of(create_app(services, user_page=PageServices.of(services, PAGE))))

    answer = browser.sign_in()
    assert answer.status_code == 503
    assert browser.login in answer.text, "nothing is to be typed twice"
    browser.http.set_cookie("__Host-me", ana.token.reveal(), domain="vault.example.org")
    assert "Ana Silva" in browser.open("/me/").text, "whoever is signed in needs no key service"
    db.close()
    answer = browser.open("/me/")
    assert (answer.status_code, "Ana Silva" in answer.text) == (503, False)
    assert "Nothing was changed" in words_of(answer.text)


def test_whatever_keeps_apps_out_keeps_everybody_out() -> None:
    """A records database that was put back from a backup: nothing is read from it."""

    def restored() -> None:
        raise LogRestoredError("records", "does not hold the head of 7 leaves that was signed")

    page = PageServices(NOTHING, NOTHING, PAGE, NOTHING, NOTHING)
    browser = Browser(client_of(create_app(cast("Services", None), user_page=page, admit=restored)))
    browser.http.set_cookie("__Host-me", f"vss_{APP_KEY.reveal()[4:]}", domain="vault.example.org")

    for path in PAGES:
        assert browser.http.get(filled(path), base_url=ORIGIN).status_code == 503, path


def test_an_address_that_there_is_not_is_said_as_a_page() -> None:
    page = PageServices(NOTHING, NOTHING, PAGE, NOTHING, NOTHING)
    browser = Browser(client_of(create_app(cast("Services", None), user_page=page)))

    answer = browser.open("/me/nothing")

    assert answer.status_code == 404
    assert "Look at the address once more" in words_of(answer.text)
