"""My account: password, login, key, sessions, erasure, recovery code."""

import dataclasses
import re
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tests.api.face import client_of
from tests.api.live import new_login
from tests.api.user_page.people import ORIGIN, OTHER_PASSWORD, Browser, words_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.accounts.accounts import Accounts
from vault_service.accounts.service import utc_now
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.api.user_page.services import PageServices
from vault_service.bootstrap.api import UserPage
from vault_service.domain.tokens import AppKey, SessionToken
from vault_service.policy.page_rules import UserPageRule


def test_a_new_password_ends_every_session_and_is_the_one_that_counts(ana: Browser) -> None:
    ana.open("/me/password")
    answer = ana.send("/me/password", password=PASSWORD, new_password=OTHER_PASSWORD)

    assert answer.request.path == "/me/sign-in"
    assert "Your password is changed" in words_of(answer.text)
    assert ana.cookie is None
    assert ana.sign_in(PASSWORD).status_code == 401
    assert ana.sign_in(OTHER_PASSWORD).request.path == "/me/"


def test_a_weak_password_is_refused_beside_its_field_with_the_reasons(ana: Browser) -> None:
    ana.open("/me/password")

    answer = ana.send("/me/password", password=PASSWORD, new_password="aaaaaaaaaaaaaaaaaaaa")

    assert answer.status_code == 422
    assert 'aria-describedby="new_password-hint new_password-error"' in answer.text
    assert "it repeats itself" in words_of(answer.text)
    assert "aaaaaaaa" not in answer.text


@pytest.mark.parametrize("path", ["password", "sign-up", "recover", "recover-by-code"])
def test_a_new_password_with_a_slip_in_it_is_not_taken(
    ana: Browser, browser: Callable[[], Browser], path: str
) -> None:
    """It would open nothing; after a recovery its owner would learn so once officers had done their work."""
    somebody = ana if path == "password" else browser()
    if path.startswith("recover"):
        somebody.login = ana.login
    somebody.open(f"/me/{path}")
    form = {"/me/password": {"password": PASSWORD}, "/me/sign-up": {"understood": "true"}}
    form["/me/recover-by-code"] = {"recovery_code": "000G4-0R40M-30E20-9185G-R38E1-W"}
    typed = {"new_password": OTHER_PASSWORD, "again": f"{OTHER_PASSWORD}e", **form.get(f"/me/{path}", {})}
    typed |= {} if path == "password" else {"login": somebody.login}

    answer = somebody.send(f"/me/{path}", typed)

    assert answer.status_code == 400
    assert "You typed two different passwords" in words_of(answer.text)
    assert 'id="new_password-error"' in answer.text
    assert OTHER_PASSWORD not in answer.text
    later = browser()
    later.login = somebody.login
    assert later.sign_in(OTHER_PASSWORD).status_code == 401


def test_whoever_has_a_one_time_password_must_choose_another_first(
    browser: Callable[[], Browser], services: Services, vault: Vault
) -> None:
    ana = browser()
    made = services.accounts.sign_up(vault.app_key, ana.login, None, None)
    assert made.one_time_password is not None

    assert ana.sign_in(made.one_time_password).request.path == "/me/password"
    for path in ("/me/", "/me/accesses", "/me/export", "/me/entries/new", "/me/erase"):
        assert ana.open(path).request.path == "/me/password"
    ana.open("/me/password")
    assert "Choose a password of your own first" in words_of(ana.page)
    ana.send("/me/password", password=made.one_time_password, new_password=PASSWORD)
    assert ana.sign_in().request.path == "/me/"


def test_the_login_can_be_changed_and_sessions_go_on(ana: Browser) -> None:
    other = new_login()
    ana.open("/me/login")
    assert ana.send("/me/login", password=OTHER_PASSWORD, login=other).status_code == 401

    assert "Your login is changed." in words_of(ana.send("/me/login", password=PASSWORD, login=other).text)
    assert ana.open("/me/sign-in").request.path == "/me/", "still signed in"
    ana.send("/me/sign-out")
    ana.login = other
    assert ana.sign_in().request.path == "/me/"


def test_a_login_that_somebody_has_is_refused(ana: Browser, browser: Callable[[], Browser]) -> None:
    ben = browser().enter()
    ana.open("/me/login")

    answer = ana.send("/me/login", password=PASSWORD, login=ben.login)

    assert answer.status_code == 409
    assert 'id="login-error"' in answer.text


def test_sessions_are_listed_and_can_be_ended(ana: Browser, browser: Callable[[], Browser]) -> None:
    elsewhere = browser()
    elsewhere.login = ana.login
    elsewhere.sign_in()
    assert elsewhere.cookie is not None
    session = SessionToken.parse(elsewhere.cookie).session

    ana.open("/me/account")
    assert len(re.findall(r'action="/me/sessions/[0-9a-f-]{36}/end"', ana.page)) == 2
    ana.send(f"/me/sessions/{session}/end")

    assert "That session has ended." in words_of(ana.page)
    assert elsewhere.open("/me/").request.path == "/me/sign-in"
    ana.send("/me/sessions/end-all")
    assert ana.open("/me/").request.path == "/me/sign-in"


def test_whoever_is_told_that_the_session_ends_soon_keeps_it_by_a_click(ana: Browser, vault: Vault) -> None:
    page = ana.open("/me/account").text
    (token,) = re.findall(r'name="csrf-token" content="([^"]+)"', page)
    assert 'data-left="840"' in page  # a minute less than it has: when it was used is kept to the minute
    age = "UPDATE sessions SET last_seen = last_seen - interval '800 s' WHERE session_id = %(id)s"
    session = {"id": SessionToken.parse(ana.cookie or "").session}
    for _ in range(2):
        with vault.records.superuser() as conn:
            conn.execute(age, session)
        headers = {"Origin": ORIGIN, "X-CSRF-Token": token}
        assert ana.http.post("/me/stay", json={}, base_url=ORIGIN, headers=headers).json == {"left_s": 840}

    assert ana.open("/me/account").request.path == "/me/account"


def test_how_soon_it_ends_is_told_by_whichever_rule_ends_it_first(services: Services, vault: Vault) -> None:
    """The page's own, the one for every session without a request, or how long any of them lasts."""
    parts, now = services.accounts.parts, [utc_now()]
    rules = msgspec.structs.replace(parts.policies.sessions, idle_timeout_s=300, absolute_timeout_s=400)
    policies = msgspec.structs.replace(parts.policies, sessions=rules)
    accounts = Accounts(dataclasses.replace(parts, policies=policies, now=lambda: now[0]))
    stricter = dataclasses.replace(services, accounts=accounts)
    page = UserPage(ORIGIN, AppKey.parse(vault.app_key), UserPageRule(enabled=True, idle_s=900))
    app = create_app(stricter, user_page=PageServices.of(stricter, page))
    ana = Browser(client_of(app)).enter()

    def told() -> tuple[int, int]:
        seen = ana.open("/me/account").text
        (on_the_page,), (token,) = (
            re.findall(each, seen)
            for each in (r'data-left="(-?\d+)"', r'name="csrf-token" content="([^"]+)"')
        )
        headers = {"Origin": ORIGIN, "X-CSRF-Token": token}
        sent = ana.http.post("/me/stay", json={}, base_url=ORIGIN, headers=headers)
        answer: dict[str, int] = sent.json or {}
        return int(on_the_page), answer["left_s"]

    assert told() == (270, 270)  # a tenth less: when it was used last is not kept to the second
    now[0] += timedelta(seconds=200)
    on_the_page, by_a_click = told()
    assert by_a_click == 200
    assert 200 <= on_the_page < 270  # its id says when it began, by a clock that this test does not hold


def test_a_new_key_of_the_data_is_made_and_the_entries_follow(ana: Browser) -> None:
    ana.open("/me/entries/new")
    ana.send("/me/entries", collection="note", name="title", value="kept", kind="text")
    ana.open("/me/key")
    assert ana.send("/me/key", password=PASSWORD).request.path == "/me/sign-in"
    ana.sign_in()
    assert "kept" in ana.page

    ana.open("/me/key")
    assert "under the newest key" in words_of(ana.send("/me/key/continue").text)
    # Whoever is signed out there comes back to a page that can be opened.
    assert 'data-sign-in="/me/sign-in?then=/me/"' in ana.page
    assert 'data-sign-in="/me/sign-in?then=/me/key"' in ana.open("/me/key").text


def test_a_vault_is_erased_only_by_whoever_means_it_and_has_the_password(ana: Browser) -> None:
    ana.open("/me/erase")
    assert ana.send("/me/erase", password=PASSWORD).status_code == 400
    assert "Tick this box" in words_of(ana.page)
    assert ana.send("/me/erase", password=OTHER_PASSWORD, certain="true").status_code == 401

    answer = ana.send("/me/erase", password=PASSWORD, certain="true")

    assert "Your vault is erased" in words_of(answer.text)
    assert ana.sign_in().status_code == 401


def test_a_recovery_code_is_shown_once_and_sets_a_new_password(
    ana: Browser, browser: Callable[[], Browser]
) -> None:
    ana.open("/me/recovery-code")
    page = ana.send("/me/recovery-code", password=PASSWORD).text
    (code,) = re.findall(r"<code[^>]*>([0-9A-Z-]{20,})</code>", page)
    assert code not in ana.open("/me/recovery-code").text

    later = browser()
    later.open("/me/recover-by-code")
    form = {"login": ana.login, "new_password": OTHER_PASSWORD}
    wrong = later.send("/me/recover-by-code", form, recovery_code="000G4-0R40M-30E20-9185G-R38E1-W")
    assert wrong.status_code == 401
    later.send("/me/recover-by-code", form, recovery_code=code.lower())
    assert "the code used up" in words_of(later.page)
    later.login = ana.login
    assert later.sign_in(OTHER_PASSWORD).request.path == "/me/"
