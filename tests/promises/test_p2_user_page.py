"""P2 on the user's page: what a browser sent and was shown is in no memory between two requests."""

import os
from uuid import uuid4

import httpx
import pytest

from tests.api.live import new_login
from tests.promises.memory import copies, family
from tests.promises.test_p2_api_host import wait_until_gone
from tests.rig.vault import Vault
from vault_service.api.user_page.services import Visitor
from vault_service.domain.tokens import SessionToken

pytestmark = pytest.mark.slow
PASSWORD, WEAK = "canary number zero in a browser", "canarycanarycanarycanary"
NAME, TITLE = "Zebulon Pagefield", "canary title of a page"


def go_through(http: httpx.Client, login: str) -> str:
    """Sign up and in, keep an entry and look at it; returns the session's token."""
    new = {"new_password": PASSWORD, "again": PASSWORD}
    up = {"login": login, **new, "attempt": str(uuid4()), "understood": "true"}
    http.post("/me/password-advice", json={"password": PASSWORD, "login": login})
    assert http.post("/me/sign-up", data={**up, "new_password": WEAK, "again": WEAK}).status_code == 422
    assert http.post("/me/sign-up", data=up).status_code == 303
    assert http.post("/me/sign-in", data={"login": login, "password": WEAK}).status_code == 401
    signed_in = http.post("/me/sign-in", data={"login": login, "password": PASSWORD})
    cookie = signed_in.headers["Set-Cookie"].split(";")[0]
    http.headers["Cookie"] = cookie  # browsers send it to localhost by clear text, this client does not
    token = cookie.partition("=")[2]
    form = {"csrf_token": Visitor(SessionToken.parse(token)).csrf_token, "attempt": str(uuid4())}
    entry = {**form, "collection": "note", "name": ["title", "name"], "value": [TITLE, NAME]}
    assert http.post("/me/entries", data={**entry, "kind": ["text", "text"]}).status_code == 303
    for path in ("", "export", "receipts", "accesses", "account"):
        assert http.get(f"/me/{path}").status_code == 200
    assert NAME in http.get("/me/").text
    return token


@pytest.mark.skipif(os.geteuid() != 0, reason="the attacker is root on the host")
def test_no_memory_holds_what_went_through_the_page(served: Vault) -> None:
    login = new_login()
    with httpx.Client(base_url=served.api_url, headers={"Origin": served.api_url}, timeout=30) as http:
        token = go_through(http, login)
        secrets = {
            "login": login.encode(), "password": PASSWORD.encode(), "weak password": WEAK.encode(),
            "token": token.encode()[-40:], "session secret": SessionToken.parse(token).secret,
            "a field": NAME.encode(), "another": TITLE.encode(),
            "CSRF token": Visitor(SessionToken.parse(token)).csrf_token.encode(),
        }  # fmt: skip
        for process in ("api", "kms"):
            pids = family(served.running[process].popen.pid)
            found = wait_until_gone(lambda pids=pids: copies(pids, secrets))  # type: ignore[misc]
            assert found == dict.fromkeys(found, 0), process
    assert copies([os.getpid()], secrets)["password"], "the same look finds what a process does hold"
