"""A forgotten password: ask for access again, see how it stands, cancel it."""

import re
from collections.abc import Callable

from tests.api.user_page.people import OTHER_PASSWORD, Browser, words_of


def ask_for(browser: Browser, login: str, **typed: object) -> str:
    """Returns the case's number."""
    browser.open("/me/recover")
    answer = browser.send("/me/recover", login=login, new_password=OTHER_PASSWORD, **typed)
    assert answer.status_code == 200
    (case,) = set(re.findall(r"/me/recoveries/([0-9a-f-]{36})", answer.text))
    return str(case)


def phrase_of(page: str) -> list[str]:
    return re.findall(r"<li>([a-z]+)</li>", page)


def test_six_words_are_shown_and_officers_decide(ana: Browser, browser: Callable[[], Browser]) -> None:
    forgetful = browser()
    case = ask_for(forgetful, ana.login)

    assert len(phrase_of(forgetful.page)) == 6
    assert "Officers are deciding" in words_of(forgetful.open(f"/me/recoveries/{case}").text)
    assert phrase_of(forgetful.page) == [], "they are shown once"
    assert forgetful.open(f"/me/recoveries?case_id=%20{case}").request.path == f"/me/recoveries/{case}"


def test_no_button_beside_the_six_words_takes_them_away(ana: Browser, browser: Callable[[], Browser]) -> None:
    """They are shown once: whoever chose another language there would have lost them."""
    forgetful = browser()
    assert "Deutsch" in forgetful.open("/me/recover").text
    case = ask_for(forgetful, ana.login)

    assert re.findall(r"<(?:button|form)\b[^>]*>", forgetful.page) == []
    assert "Deutsch" in forgetful.open(f"/me/recoveries/{case}").text


def test_a_login_that_nobody_has_gets_the_same_answer(browser: Callable[[], Browser]) -> None:
    nobody = browser()
    case = ask_for(nobody, nobody.login)

    assert len(phrase_of(nobody.page)) == 6
    assert "Officers are deciding" in words_of(nobody.open(f"/me/recoveries/{case}").text)


def test_a_form_that_is_sent_twice_is_one_case(ana: Browser, browser: Callable[[], Browser]) -> None:
    forgetful = browser()
    forgetful.open("/me/recover")
    form, cases = forgetful.page, set[str]()
    for _ in range(2):
        forgetful.page = form
        forgetful.send("/me/recover", login=ana.login, new_password=OTHER_PASSWORD)
        cases |= set(re.findall(r"/me/recoveries/([0-9a-f-]{36})", forgetful.page))

    assert len(cases) == 1


def test_whoever_is_signed_in_cancels_a_case_about_themselves_and_no_other(
    ana: Browser, browser: Callable[[], Browser]
) -> None:
    ben, somebody = browser().enter(), browser()
    case = ask_for(somebody, ana.login)
    assert "Cancel this recovery" not in words_of(somebody.open(f"/me/recoveries/{case}").text)

    ben.open(f"/me/recoveries/{case}")
    assert ben.send(f"/me/recoveries/{case}/cancel").status_code in {403, 404}
    ana.open(f"/me/recoveries/{case}")
    answer = ana.send(f"/me/recoveries/{case}/cancel")

    assert "It was cancelled." in words_of(answer.text)


def test_a_case_that_there_is_not_is_said_in_plain_words(browser: Callable[[], Browser]) -> None:
    somebody = browser()

    assert somebody.open("/me/recoveries/01a21e79-806e-74f3-8796-2728a10f7e8e").status_code == 404
    assert "looks like" in words_of(somebody.open("/me/recoveries?case_id=7").text)
