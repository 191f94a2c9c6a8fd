"""The user's page as it is served, over the vault of these tests."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask
from playwright.sync_api import Page
from werkzeug.serving import make_server

from tests.api.live import new_login
from tests.browser.served import _Quiet
from tests.rig.vault import PASSWORD, Vault, free_port, settings_of
from vault_service.accounts.records_log import RecordsLog
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import UserPage, build_accounts
from vault_service.domain.tokens import AppKey
from vault_service.policy.page_rules import UserPageRule
from vault_service.records.store import RecordStore


@dataclass
class ServedUserPage:
    """Listens on localhost, in a thread of this process."""

    url: str
    services: Services
    app: Flask

    def enter(self, page: Page, login: str = "") -> str:
        """Somebody new signs up and signs in; returns the login."""
        login = login or new_login()
        page.goto(f"{self.url}/me/sign-up")
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_label("I have read").check()
        page.get_by_role("button", name="Make my vault").click()
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/me/")
        return login


@contextlib.contextmanager
def served_user_page(vault: Vault) -> Iterator[ServedUserPage]:
    """The API of a running vault with the page switched on."""
    port = free_port()
    origin = f"http://localhost:{port}"
    accounts, policies = build_accounts(settings_of(vault))
    parts = accounts.parts
    services = Services(accounts, RecordStore(parts.db, policies), RecordsLog(parts.db, parts.kms))
    switched_on = UserPage(
        origin, AppKey.parse(vault.app_key), UserPageRule(enabled=True, idle_s=900, strangers_burst=10_000)
    )
    app = create_app(services, user_page=PageServices.of(services, switched_on))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield ServedUserPage(origin, services, app)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
        parts.db.close()
        parts.kms.close()
