"""Sign up, sign in, sign out."""

import contextlib
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from vault_service.api.user_page.services import COOKIE, HOME, PREFIX, PageServices, Visitor
from vault_service.api.user_page.words import SAID, Said, mistyped, not_ticked, refused
from vault_service.api.users import Login, Password
from vault_service.domain.errors import SessionRefusedError, VaultError
from vault_service.domain.ids import new_uuid
from vault_service.sessions.end import end_current
from vault_service.web.safety import no_cookie, session_cookie
from vault_service.web.view import GoTo, Nothing, Reply, Shown, Taken, View, Visit, own_path

SIGN_IN = f"{PREFIX}/sign-in"
_SIGN_IN_PAGE, _SIGN_UP_PAGE = "me/sign_in.html", "me/sign_up.html"


Then = Annotated[str, Meta(max_length=3000)]  # the page that somebody asked for, signed out


class SaidAsked(Taken, frozen=True):
    """What was done just before."""

    said: Said = "none"
    then: Then = HOME


class Credentials(Taken, frozen=True):
    """Who signs in."""

    login: Login
    password: Password
    then: Then = HOME


class NewUser(Taken, frozen=True):
    """Who signs up; `attempt` makes the form good for one vault, however often it is sent."""

    login: Login
    new_password: Password
    again: Password
    attempt: UUID
    understood: Annotated[str, Meta(max_length=4)] = ""


def sign_in_again(said: Said) -> GoTo:
    """Every session has ended, this one too."""
    return GoTo(f"{SIGN_IN}?said={said}", cookies=(no_cookie(COOKIE),))


def is_signed_in(services: PageServices, who: Visitor | None) -> bool:
    """Has whoever comes a session that is still good?"""
    if who is None:
        return False
    try:
        services.accounts.account(who.token)
    except SessionRefusedError:
        return False
    return True


def show_sign_in(visit: Visit[PageServices, Visitor | None, SaidAsked]) -> Reply:
    """The form; a cookie that is good for nothing goes."""
    then = own_path(visit.asked.then, PREFIX)
    if is_signed_in(visit.services, visit.who):
        return GoTo(then)
    values = {"said": SAID.get(visit.asked.said), "login": "", "problem": None, "then": then}
    return Shown(_SIGN_IN_PAGE, values, cookies=(no_cookie(COOKIE),))


def sign_in(visit: Visit[PageServices, Visitor | None, Credentials]) -> Reply:
    """A new session each time: none that somebody else has put into this browser counts any more."""
    services, asked = visit.services, visit.asked
    then = own_path(asked.then, PREFIX)
    try:
        services.strangers.spend()
        opened = services.accounts.sign_in(
            services.app_key, asked.login, asked.password, idle_s=services.page.rule.idle_s
        )
    except VaultError as error:
        return refused(_SIGN_IN_PAGE, error, {"said": None, "login": asked.login, "then": then})
    where = f"{PREFIX}/password" if opened.must_change else then
    return GoTo(where, cookies=(session_cookie(COOKIE, opened.token.reveal()),))


def show_sign_up(visit: Visit[PageServices, Visitor | None, Nothing]) -> Reply:
    """The notice on recovery, and the form."""
    if is_signed_in(visit.services, visit.who):
        return GoTo(HOME)
    return Shown(
        _SIGN_UP_PAGE,
        {**_rules(visit.services), "login": "", "attempt": new_uuid(), "understood": False, "problem": None},
    )


def _rules(services: PageServices) -> dict[str, Any]:
    policies = services.accounts.parts.policies
    return {"recovery": policies.recovery, "passwords": policies.passwords}


def sign_up(visit: Visit[PageServices, Visitor | None, NewUser]) -> Reply:
    """Make a vault, then have the person sign in: so that the password is typed once from memory."""
    services, asked = visit.services, visit.asked
    understood = asked.understood == "true"
    typed = {**_rules(services), "login": asked.login, "attempt": asked.attempt, "understood": understood}
    if not understood:
        return not_ticked(_SIGN_UP_PAGE, typed, "understood")
    if asked.again != asked.new_password:
        return mistyped(_SIGN_UP_PAGE, typed)
    try:
        services.strangers.spend()
        services.accounts.sign_up(services.app_key, asked.login, asked.new_password, str(asked.attempt))
    except VaultError as error:
        return refused(_SIGN_UP_PAGE, error, typed)
    return GoTo(f"{SIGN_IN}?said=signed-up")


def sign_out(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """Here only; the cookie goes in any case."""
    parts = visit.services.accounts.parts
    with contextlib.suppress(SessionRefusedError):  # it had ended by itself
        end_current(parts.db, visit.who.token, parts.now())
    return sign_in_again("signed-out")


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", SIGN_IN, show_sign_in, SaidAsked, open_to_all=True),
    View("POST", SIGN_IN, sign_in, Credentials, open_to_all=True),
    View("GET", f"{PREFIX}/sign-up", show_sign_up, open_to_all=True),
    View("POST", f"{PREFIX}/sign-up", sign_up, NewUser, open_to_all=True),
    View("POST", f"{PREFIX}/sign-out", sign_out),
)
