"""What people type on the page gets into no log."""

from collections.abc import Callable

import pytest

from tests.api.everywhere import LOGIN, NAME, NEW_PASSWORD, PASSWORD, PLANTED, TITLE
from tests.api.user_page.people import Browser
from tests.api.user_page.test_advice import ask


def test_nothing_that_was_typed_is_logged(
    browser: Callable[[], Browser], capfd: pytest.CaptureFixture[str]
) -> None:
    ana = browser()
    ana.login = f"page-{LOGIN}"
    ana.sign_up(PASSWORD)
    ana.sign_in(NEW_PASSWORD)
    ana.sign_in(PASSWORD)
    ask(browser(), PASSWORD, LOGIN)
    ana.open(f"/me/{TITLE}")
    ana.open(f"/me/?cursor={TITLE}&{TITLE}={NAME}")
    ana.open("/me/entries/new")
    ana.send("/me/entries", collection=TITLE, name=[TITLE, NAME], value=[NAME, LOGIN], kind=["text", "json"])
    ana.send("/me/entries", {TITLE: NAME})
    ana.open("/me/login")
    ana.send("/me/login", password=NEW_PASSWORD, login=LOGIN)
    ana.open("/me/recover")
    ana.send("/me/recover", login=ana.login, new_password=PASSWORD, stolen=TITLE)
    cookie = ana.cookie or ""
    ana.open(f"/me/recoveries?case_id={TITLE}")

    logged = "".join(capfd.readouterr())
    assert "route=/me/recover" in logged
    assert cookie.startswith("vss_")
    assert [each for each in (*PLANTED, cookie) if each in logged] == []
