"""Sign up, sign in, sign out."""

from collections.abc import Callable

from tests.api.face import client_of
from tests.api.user_page.people import ORIGIN, Browser
from vault_service.api.app import create_app
from vault_service.api.services import Services


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
