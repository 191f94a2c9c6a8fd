"""Strangers, one officer or whoever stole an invitation flood the console: nobody else is kept out."""

from http import HTTPStatus
from typing import Any

from tests.console.desk import Desk, made_of
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.events import KeysEvent as K

MANY = 1100  # more than any list should hold
KEPT = 100  # more than is kept for one session or one invitation, and for the rest of these tests


def test_a_crowd_at_the_door_locks_no_officer_out(desk: Desk) -> None:
    """Between the button and the touch there are seconds; a crowd is quicker."""
    officer, crowd = desk.browser(), desk.browser()
    asked = officer.post("/sign-in").json

    for _ in range(MANY):
        crowd.post("/sign-in")

    assert officer.send(asked, desk.people["dora"]).status_code == HTTPStatus.OK


def test_what_a_crowd_begins_is_kept_nowhere(desk: Desk) -> None:
    crowd = desk.browser()
    before = desk.services.intents.waiting

    for _ in range(50):
        crowd.post("/sign-in")

    assert desk.services.intents.waiting == before


def test_one_officer_pushes_out_nothing_that_another_was_asked(desk: Desk) -> None:
    other, flooding = desk.signed_in("dora"), desk.signed_in("dora")
    asked = other.post("/invite", {"name": "fay"}).json

    for _ in range(KEPT):
        flooding.post("/invite", {"name": "fay"})

    assert other.send(asked, desk.people["dora"]).status_code == HTTPStatus.OK
    assert desk.services.intents.waiting < KEPT


def test_a_stolen_invitation_drowns_no_log(desk: Desk) -> None:
    browser, token = desk.browser(), desk.invitation("ida")
    desk.clock.now += 61

    def refused(alter: dict[str, str]) -> str:
        begun: Any = browser.post("/enrol/begin", {"token": token}).json
        return str(browser.post("/enrol/card", made_of(begun, SoftPasskey()) | alter).json["code"])

    with desk.leaves(*[K.OFFICER_REFUSED] * 60):
        codes = [refused({"client_data_json": "00"}) for _ in range(63)]
    assert codes[59:] == ["console.passkey_refused", *["login.throttled"] * 3]

    begun: Any = browser.post("/enrol/begin", {"token": token}).json
    passkey = SoftPasskey()
    asked: Any = browser.post("/enrol/card", made_of(begun, passkey)).json
    with desk.leaves():
        assert browser.send(asked, SoftPasskey()).json["code"] == "login.throttled"
    desk.clock.now += 61


def test_a_stolen_invitation_pushes_out_nobody_who_enrols(desk: Desk) -> None:
    newcomer, thief, passkey = desk.browser(), desk.browser(), SoftPasskey()
    begun: Any = newcomer.post("/enrol/begin", {"token": desk.invitation("jo")}).json
    stolen = desk.invitation("kai")

    for _ in range(KEPT):
        thief.post("/enrol/begin", {"token": stolen})
    assert desk.services.enrolling.waiting < KEPT

    asked: Any = newcomer.post("/enrol/card", made_of(begun, passkey)).json
    assert newcomer.send(asked, passkey).status_code == HTTPStatus.OK
