"""What officers and newcomers do at the console, for P8: signing in and out, inviting, enrolling."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from werkzeug.test import TestResponse

from tests.ceremony.office import office_of
from tests.console.desk import Desk, desk_of, made_of
from tests.promises.break_glass_flow import use_break_glass
from tests.promises.flows import Act, Flow, Life, flow
from tests.rig.passkeys import SoftPasskey
from vault_service.domain.errors import rebuild
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.recovery_errors import NotPermittedError
from vault_service.domain.web_errors import PasskeyRefusedError
from vault_service.recovery.invitations import invite, prepare_invitation

Deed = Callable[[Desk], Act]
_passkeys: dict[Path, SoftPasskey] = {}
"""Whose officer only approves, in each vault."""


def _answered(response: TestResponse) -> None:
    """Raises what the page tells its script."""
    if response.status_code >= 400:
        told: Any = response.json
        raise rebuild(told["code"], told["detail"], None)


def _passkey(desk: Desk) -> SoftPasskey:
    vault = desk.office.vault
    if vault.home not in _passkeys:
        made = _passkeys[vault.home] = SoftPasskey()
        use_break_glass(vault, made.officer("nora", ("approver",), vault.fingerprint))
    return _passkeys[vault.home]


def _sign_in(desk: Desk, **how: Any) -> Act:
    passkey, browser = _passkey(desk), desk.browser()
    asked: Any = browser.post("/sign-in").json
    signed = passkey.sign(bytes.fromhex(asked["challenge"]), **how)
    return lambda: _answered(browser.send(asked, passkey, signed))


def _sign_out(desk: Desk) -> Act:
    browser = desk.browser()
    _answered(browser.sign_in(_passkey(desk)))
    browser.get("/invite")
    return lambda: _answered(browser.post("/sign-out"))


def _invite(desk: Desk) -> Act:
    recovery, ana = desk.office.recovery, desk.office.acting("ana")
    whom = prepare_invitation(recovery, ana, "omar")
    return lambda: invite(recovery, ana, whom, good_for_s=600)


def _may_not_invite(desk: Desk) -> Act:
    browser = desk.browser()
    _answered(browser.sign_in(_passkey(desk)))
    browser.get("/invite")
    return lambda: _answered(browser.post("/invite", {"name": "omar"}))


def _enrol(desk: Desk) -> Act:
    browser, passkey = desk.browser(), SoftPasskey()
    begun = browser.post("/enrol/begin", {"token": desk.invitation("omar")}).json
    asked = browser.post("/enrol/card", made_of(begun, passkey)).json
    return lambda: _answered(browser.send(asked, passkey))


def _at_the_desk(deed: Deed) -> Callable[[Life], Act]:
    def begin(life: Life) -> Act:
        stack = contextlib.ExitStack()
        act = deed(desk_of(stack.enter_context(office_of(life.vault))))

        def once() -> object:
            with stack:
                return act()

        return once

    return begin


CONSOLE_FLOWS: dict[str, Flow] = {
    "an officer signing in": flow(_at_the_desk(_sign_in), K.OFFICER_SIGNED_IN),
    "signing in on another page": flow(
        _at_the_desk(lambda desk: _sign_in(desk, origin="https://evil.example")), K.OFFICER_SIGN_IN_REFUSED,
        refused=PasskeyRefusedError,
    ),
    "an officer signing out": flow(_at_the_desk(_sign_out), K.OFFICER_SIGNED_OUT),
    "inviting somebody to enrol": flow(_at_the_desk(_invite), K.OFFICER_INVITED),
    "inviting without the right to": flow(
        _at_the_desk(_may_not_invite), K.OFFICER_REFUSED, refused=NotPermittedError
    ),
    "enrolling a passkey": flow(_at_the_desk(_enrol), K.PASSKEY_ENROLLED),
}  # fmt: skip
