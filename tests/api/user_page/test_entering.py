"""Sign up, sign in, sign out."""

from collections.abc import Callable

import pytest

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, Browser, words_of
from tests.rig.vault import PASSWORD, Vault
from vault_service.api.app import create_app
from vault_service.api.services import Services
from vault_service.domain.tokens import SessionToken


def test_there_is_no_page_unless_it_is_switched_on(services: Services) -> None:
    http = client_of(create_app(services))

    for path in ("/me", "/me/sign-in", "/me/sign-up"):
        assert http.get(path, base_url=ORIGIN).status_code == 404


def test_somebody_signs_up_signs_in_sees_the_entries_and_signs_out(browser: Callable[[], Browser]) -> None:
    ana = browser()

    assert ana.open("/me").request.path == "/me/sign-in"
    assert ana.sign_up().request.path == "/me/sign-in"
    assert ana.sign_in().request.path == "/me/"
    assert ana.cookie is not None
    assert ana.send("/me/sign-out").request.path == "/me/sign-in"
    assert ana.cookie is None
    assert ana.open("/me").request.path == "/me/sign-in"


def test_a_session_of_the_page_ends_sooner_than_an_apps(ana: Browser, vault: Vault) -> None:
    assert ana.cookie is not None
    session = SessionToken.parse(ana.cookie).session

    with vault.records.superuser() as conn:
        row = conn.execute(
            "SELECT idle_s FROM sessions WHERE session_id = %(id)s", {"id": session}
        ).fetchone()

    assert row == (900,)


def test_the_notice_says_who_could_ever_recover_the_data(
    browser: Callable[[], Browser], services: Services
) -> None:
    people = services.accounts.parts.policies.recovery.quorum.regain

    said = words_of(browser().open("/me/sign-up").text)

    assert f"At least {people} recovery officers have to agree" in said
    assert "No officer can do it alone" in said
    assert "only where the law or your death demands it" in said
    assert "Each recovery leaves an entry in a log that nobody can change unnoticed" in said
    assert "no officer can bring anything back" in said


def test_nobody_signs_up_without_having_seen_it(browser: Callable[[], Browser]) -> None:
    ana = browser()
    ana.open("/me/sign-up")

    answer = ana.send("/me/sign-up", login=ana.login, new_password=PASSWORD)

    assert answer.status_code == 400
    assert 'id="understood-error"' in answer.text
    assert ana.sign_in().status_code == 401


def test_a_form_that_is_sent_twice_makes_one_vault(browser: Callable[[], Browser]) -> None:
    ana = browser()
    ana.open("/me/sign-up")
    form = ana.page
    for _ in range(2):
        ana.page = form
        answer = ana.send("/me/sign-up", login=ana.login, new_password=PASSWORD, understood="true")
        assert answer.request.path == "/me/sign-in"

    other = browser()
    other.login = ana.login
    assert other.sign_up().status_code == 409


def test_a_wrong_password_says_no_more_than_a_login_that_nobody_has(browser: Callable[[], Browser]) -> None:
    ana = browser()
    ana.sign_up()
    wrong = ana.sign_in("another password of nobody's")
    nobody = browser()
    unknown = nobody.sign_in("another password of nobody's")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace(ana.login, "") == unknown.text.replace(nobody.login, "")


def test_whoever_signs_in_lands_on_the_page_first_asked_for(browser: Callable[[], Browser]) -> None:
    somebody = browser()
    somebody.sign_up()
    somebody.open("/me/accesses")

    assert (
        somebody.send("/me/sign-in", login=somebody.login, password=PASSWORD).request.path == "/me/accesses"
    )


@pytest.mark.parametrize(
    "then", ["https://evil.example/me/", "//evil.example/me/", "/v1/me", "/me/\n", "/mean"]
)
def test_and_never_on_another_sites(then: str, browser: Callable[[], Browser]) -> None:
    somebody = browser()
    somebody.sign_up()

    answer = somebody.send("/me/sign-in", login=somebody.login, password=PASSWORD, then=then)

    assert answer.request.path == "/me/"
