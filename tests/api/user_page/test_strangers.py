"""On the page anybody on the network is somebody with an app's key: all of them share a small budget."""

import time

import pytest

from tests.api.face import client_of
from tests.api.live import new_login
from tests.api.user_page.people import ORIGIN, Browser, new_attempt, words_of
from tests.api.user_page.test_attacks import FORMS, OF_SOMEBODY
from tests.rig.vault import PASSWORD, Vault
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.api.user_page.strangers import StrangersBudget
from vault_service.bootstrap.api import UserPage
from vault_service.domain.errors import ThrottledError
from vault_service.domain.tokens import AppKey
from vault_service.policy.page_rules import UserPageRule

ADVICE = "/me/password-advice"  # has a limit of its own, and no key service behind it
FIELDS = {
    "/me/sign-in": {"password": PASSWORD},
    "/me/sign-up": {
        "new_password": PASSWORD,
        "again": PASSWORD,
        "understood": "true",
        "attempt": new_attempt(),
    },
    "/me/recover": {"new_password": PASSWORD, "again": PASSWORD, "attempt": new_attempt()},
    "/me/recover-by-code": {"new_password": PASSWORD, "again": PASSWORD, "recovery_code": "X" * 26},
}


@pytest.fixture
def crowded(services: Services, vault: Vault) -> Browser:
    """A page at which two forms a while are taken."""
    rule = UserPageRule(enabled=True, idle_s=900, strangers_per_s=1e-9, strangers_burst=2)
    page = PageServices.of(services, UserPage(ORIGIN, AppKey.parse(vault.app_key), rule))
    return Browser(client_of(create_app(services, user_page=page)))


def test_every_form_of_strangers_that_has_the_key_service_work_is_counted(crowded: Browser) -> None:
    """Else a stranger could have every Argon2 that apps wait for."""
    assert set(FIELDS) == set(FORMS) - set(OF_SOMEBODY) - {ADVICE}
    for _ in range(2):
        assert crowded.sign_in("another password of nobody's").status_code == 401

    for path, fields in FIELDS.items():
        login = new_login()
        crowded.page = ""
        answer = crowded.send(path, {**fields, "login": login})
        assert answer.status_code == 429, path
        assert "Try again in 1 second" in words_of(answer.text), path
        assert login in answer.text, "nothing is to be typed twice"


def test_whoever_is_signed_in_goes_on_meanwhile(crowded: Browser) -> None:
    crowded.enter()
    assert crowded.http.get("/me/", base_url=ORIGIN).status_code == 200
    crowded.open("/me/login")

    assert crowded.send("/me/login", login=new_login(), password=PASSWORD).status_code == 200


def test_the_budget_comes_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = UserPageRule(enabled=True, idle_s=900, strangers_per_s=2.0, strangers_burst=1)
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    strangers = StrangersBudget.of(rule)
    strangers.spend()
    clock[0] += 0.4
    with pytest.raises(ThrottledError):
        strangers.spend()
    clock[0] += 0.2

    strangers.spend()
