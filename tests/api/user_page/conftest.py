"""The page of the shared vault, in the test's own process; each person has a browser of their own."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, Browser, new_browser
from tests.rig.vault import Vault, settings_of
from vault_service.accounts.records_log import RecordsLog
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import UserPage, build_accounts
from vault_service.domain.tokens import AppKey
from vault_service.policy.page_rules import UserPageRule
from vault_service.records.store import RecordStore


@pytest.fixture(scope="session")
def services(vault: Vault) -> Iterator[Services]:
    """The use cases of this vault."""
    accounts, policies = build_accounts(settings_of(vault))
    yield Services(
        accounts, RecordStore(accounts.parts.db, policies), RecordsLog(accounts.parts.db, accounts.parts.kms)
    )
    accounts.parts.db.close()
    accounts.parts.kms.close()


@pytest.fixture(scope="session")
def page(vault: Vault, services: Services) -> Flask:
    """The API with the page switched on."""
    switched_on = UserPage(
        ORIGIN, AppKey.parse(vault.app_key), UserPageRule(enabled=True, idle_s=900, strangers_burst=10_000)
    )
    return create_app(
        services, admit=services.records_log.demand, user_page=PageServices.of(services, switched_on)
    )


@pytest.fixture
def browser(page: Flask) -> Callable[[], Browser]:
    """Makes browsers: nobody is signed in."""
    return lambda: new_browser(client_of(page))


@pytest.fixture
def ana(browser: Callable[[], Browser]) -> Browser:
    """Somebody new, signed in."""
    return browser().enter()
