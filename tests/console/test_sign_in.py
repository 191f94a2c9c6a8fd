"""Officers sign in by passkey: it lets them look, and only them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from tests.console.desk import Browser, Desk
from tests.rig.passkeys import FLAG, SoftPasskey
from vault_service.crypto.webauthn import Assertion
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import new_uuid

Sign = Callable[[SoftPasskey, bytes], Assertion]


def test_an_officer_signs_in_looks_and_signs_out(desk: Desk) -> None:
    browser = desk.browser()
    assert browser.get("/invite").headers["Location"] == "/sign-in?then=%2Finvite"

    with desk.leaves(K.OFFICER_SIGNED_IN, K.OFFICER_SIGNED_OUT):
        assert browser.sign_in(desk.people["dora"]).json == {"location": "/"}
        assert "dora" in browser.get("/invite").text
        kept = browser.cookie
        assert browser.submit("/sign-out").headers["Location"] == "/sign-in"

    browser.client.set_cookie("__Host-officer", kept or "", secure=True)
    assert browser.get("/invite").headers["Location"] == "/sign-in?then=%2Finvite"


def test_whoever_signs_in_lands_on_the_page_first_asked_for(desk: Desk) -> None:
    browser = desk.browser()
    page = browser.get(browser.get("/cases?closed=true").headers["Location"]).text
    assert 'name="then" value="/cases?closed=true"' in page

    asked: Any = browser.post("/sign-in", {"then": "/cases?closed=true"}).json
    assert browser.send(asked, desk.people["dora"]).json == {"location": "/cases?closed=true"}


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil", "x", ""]
)
def test_and_never_on_another_sites(desk: Desk, then: str) -> None:
    browser = desk.browser()

    asked: Any = browser.post("/sign-in", {"then": then}).json

    assert browser.send(asked, desk.people["dora"]).json == {"location": "/"}


REFUSED: dict[str, Sign] = {
    "on another page": lambda key, asked: key.sign(asked, origin="http://localhost.evil.example"),
    "on the same host's other port": lambda key, asked: key.sign(asked, origin="http://localhost:9999"),
    "for another relying party": lambda key, asked: key.sign(asked, rp_id="evil.example"),
    "in a frame of another site": lambda key, asked: key.sign(asked, cross_origin=True),
    "under another site's top page": lambda key, asked: key.sign(asked, topOrigin="https://evil.example"),
    "as if it were just made": lambda key, asked: key.sign(asked, type="webauthn.create"),
    "for another challenge": lambda key, _: key.sign(bytes(32)),
    "with nobody verified": lambda key, asked: key.sign(asked, flags=FLAG.UP),
    "with nobody present": lambda key, asked: key.sign(asked, flags=FLAG.UV),
    "by another passkey under this one's name": lambda _, asked: SoftPasskey().sign(asked),
    "with a signature of another answer": lambda key, asked: Assertion(
        key.sign(asked).authenticator_data, key.sign(asked).client_data_json, key.sign(bytes(32)).signature
    ),
    "with rubbish": lambda key, asked: Assertion(b"\xff", b"\xff", key.sign(asked).signature),
    "with too much": lambda key, asked: Assertion(
        key.sign(asked).authenticator_data, key.sign(asked).client_data_json + b" " * 4096, bytes(70)
    ),
}


@pytest.mark.parametrize("how", REFUSED.values(), ids=REFUSED.keys())
def test_an_answer_that_was_signed_otherwise_signs_nobody_in(desk: Desk, how: Sign) -> None:
    browser, dora = desk.browser(), desk.people["dora"]
    asked: Any = browser.post("/sign-in").json

    with desk.leaves(K.OFFICER_SIGN_IN_REFUSED):
        answer = browser.send(asked, dora, how(dora, bytes.fromhex(asked["challenge"])))

    assert (answer.status_code, answer.json["code"]) == (HTTPStatus.FORBIDDEN, "console.passkey_refused")
    assert browser.cookie is None


def test_what_was_wrong_is_said_in_words(desk: Desk) -> None:
    browser, dora = desk.browser(), desk.people["dora"]

    def said(how: Sign) -> str:
        asked: Any = browser.post("/sign-in").json
        return str(browser.send(asked, dora, how(dora, bytes.fromhex(asked["challenge"]))).json["detail"])

    assert "another page" in said(REFUSED["on another page"])
    assert "did not check that it is you" in said(REFUSED["with nobody verified"])
    assert "something else" in said(REFUSED["for another challenge"])
    assert "another passkey" in said(REFUSED["by another passkey under this one's name"])


def test_a_passkey_that_no_manifest_names_signs_nobody_in(desk: Desk) -> None:
    with desk.leaves(K.OFFICER_SIGN_IN_REFUSED):
        answer = desk.browser().sign_in(SoftPasskey())

    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_a_passkey_made_for_somebody_else_signs_nobody_in(desk: Desk) -> None:
    """The user handle stands in the passkey itself since it was made (section 7.2, step 6)."""
    browser, dora = desk.browser(), desk.people["dora"]

    with desk.leaves(K.OFFICER_SIGN_IN_REFUSED):
        answer = browser.send(browser.post("/sign-in").json, dora, user_handle=new_uuid().hex)

    assert answer.status_code == HTTPStatus.FORBIDDEN


def test_a_counter_that_went_back_is_told_as_a_copy(desk: Desk) -> None:
    browser, dora = desk.browser(), desk.people["dora"]
    assert browser.sign_in(dora).status_code == HTTPStatus.OK
    other = desk.browser()
    asked: Any = other.post("/sign-in").json

    with desk.leaves(K.PASSKEY_COUNTER_WENT_BACK):
        answer = other.send(asked, dora, dora.sign(bytes.fromhex(asked["challenge"]), count=dora.count))

    assert answer.json["code"] == "console.passkey_counter"
    assert "copied" in answer.json["remedy"]
    assert other.cookie is None


def test_an_answer_counts_once_and_not_for_long(desk: Desk) -> None:
    browser, dora = desk.browser(), desk.people["dora"]
    asked: Any = browser.post("/sign-in").json
    signed = dora.sign(bytes.fromhex(asked["challenge"]))
    assert browser.send(asked, dora, signed).status_code == HTTPStatus.OK

    thief = desk.browser()
    assert thief.send(asked, dora, signed).json["code"] == "console.intent_gone"

    late: Any = thief.post("/sign-in").json
    desk.clock.now += desk.services.rule.intent_s + 1
    assert thief.send(late, dora).json["code"] == "console.intent_gone"
    assert thief.cookie is None


def test_what_one_session_was_asked_to_sign_no_other_hands_in(desk: Desk) -> None:
    first, second, nobody = desk.signed_in("dora"), desk.signed_in("dora"), desk.browser()

    for other in (second, nobody):
        asked = first.post("/invite", {"name": "fay"}).json
        assert other.send(asked, desk.people["dora"]).json["code"] == "console.intent_gone"


def test_a_crowd_at_the_door_pushes_out_nothing_that_officers_were_asked(desk: Desk) -> None:
    officer, crowd = desk.signed_in("dora"), desk.browser()
    asked = officer.post("/invite", {"name": "fay"}).json

    for _ in range(1100):
        crowd.post("/sign-in")

    assert officer.send(asked, desk.people["dora"]).status_code == HTTPStatus.OK


def test_a_session_that_somebody_planted_is_not_the_one_that_signs_in(desk: Desk) -> None:
    """Fixation: whatever cookie was there before, the signed-in session has another one."""
    browser = desk.browser()
    browser.client.set_cookie("__Host-officer", "planted", secure=True)
    before = desk.signed_in("dora")
    first = before.cookie

    browser.sign_in(desk.people["dora"])
    before.post("/sign-in")
    before.sign_in(desk.people["dora"])

    assert browser.cookie not in {None, "planted"}
    assert before.cookie != first
    stale = Browser(desk.app.test_client())
    stale.client.set_cookie("__Host-officer", first or "", secure=True)
    assert stale.get("/invite").headers["Location"] == "/sign-in?then=%2Finvite"


def test_the_cookie_is_for_this_host_and_no_script(desk: Desk) -> None:
    answer = desk.browser().sign_in(desk.people["dora"])

    (line,) = answer.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-officer=")
    assert line.endswith("; Path=/; Secure; HttpOnly; SameSite=Strict")


def test_a_crowd_that_is_refused_does_not_drown_the_log_and_locks_nobody_out(desk: Desk) -> None:
    crowd, stranger = desk.browser(), SoftPasskey()
    desk.clock.now += 61

    with desk.leaves(*[K.OFFICER_SIGN_IN_REFUSED] * 60, K.OFFICER_SIGNED_IN):
        answers = [crowd.sign_in(stranger).json["code"] for _ in range(63)]
        assert answers[59:] == ["console.passkey_refused", *["login.throttled"] * 3]
        assert desk.browser().sign_in(desk.people["dora"]).status_code == HTTPStatus.OK
    desk.clock.now += 61
