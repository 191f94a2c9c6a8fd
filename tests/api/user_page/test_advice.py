"""Advice on a password while it is being typed: the rules that count, for whoever asks, within a limit."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.user_page.people import ORIGIN, Browser
from vault_service.accounts import password_advice
from vault_service.accounts.password_advice import PasswordAdvice
from vault_service.api.services import Services
from vault_service.api.user_page.services import Visitor
from vault_service.api.user_page.words import in_words
from vault_service.crypto.password_rules import UNFIT
from vault_service.domain.errors import ThrottledError
from vault_service.domain.tokens import SessionToken
from vault_service.web import texts

GOOD = "copper lantern under the bridge"


def ask(browser: Browser, password: str, login: str = "", **headers: str) -> TestResponse:
    body = {"password": password, "login": login}
    return browser.http.post(
        "/me/password-advice", json=body, base_url=ORIGIN, headers={"Origin": ORIGIN, **headers}
    )


@pytest.mark.parametrize(
    ("password", "login", "reason"),
    [
        ("short", "", "shorter than 15"),
        ("aaaaaaaaaaaaaaaaaaaa", "", "repeats itself"),
        ("maria.silva.1990.maria", "maria.silva@example.org", "login"),
        ("vault_service vault_service", "", "name of this service"),
    ],
)
def test_the_reasons_are_those_of_the_rules(
    password: str, login: str, reason: str, browser: Callable[[], Browser]
) -> None:
    answer: dict[str, Any] = ask(browser(), password, login).get_json()

    assert any(reason in each for each in answer["reasons"])


def test_a_good_password_has_none(browser: Callable[[], Browser], ana: Browser) -> None:
    assert ask(browser(), GOOD).get_json() == {"reasons": []}
    assert ana.cookie is not None
    token = Visitor(SessionToken.parse(ana.cookie)).csrf_token
    assert ask(ana, GOOD, **{"X-CSRF-Token": token}).get_json() == {"reasons": []}


def test_no_other_site_may_ask_in_somebodys_name(ana: Browser) -> None:
    assert ask(ana, GOOD).status_code == 403
    assert ask(ana, GOOD, Origin="https://evil.example").status_code == 403


def test_a_flood_of_questions_is_turned_away(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what they cost, which whoever asks chooses."""
    monkeypatch.setattr(password_advice, "_SHARE", 0.0)
    worked = itertools.count(0.0, 1.0)  # each estimate takes a second
    advice = PasswordAdvice(services.accounts.parts.policies.passwords, lambda: next(worked))

    for _ in range(5):
        advice.reasons(GOOD)
    with pytest.raises(ThrottledError):
        advice.reasons(GOOD)


def test_an_estimate_that_is_long_work_counts_for_more(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_advice, "_SHARE", 0.0)
    advice = PasswordAdvice(services.accounts.parts.policies.passwords)
    advice.reasons("short")
    before = advice._left
    advice.reasons(GOOD)
    short, before = before - advice._left, advice._left

    advice.reasons("p4$$w0rd" * 128)

    assert before - advice._left > 2 * short


def test_a_reason_is_looked_up_without_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    german = {"the password is shorter than %(n)s characters": "es hat weniger als %(n)s Zeichen"}
    monkeypatch.setattr(texts, "translated", german.__getitem__)

    assert set(german) < set(UNFIT)
    assert in_words(("the password is shorter than 15 characters",)) == ("es hat weniger als 15 Zeichen",)
