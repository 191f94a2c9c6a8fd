"""My password and my login, and advice on a password while it is being typed."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vault_service.api.user_page.account import ACCOUNT
from vault_service.api.user_page.entering import sign_in_again
from vault_service.api.user_page.services import PREFIX, PageServices, Visitor
from vault_service.api.user_page.words import in_words, mistyped, refused
from vault_service.api.users import Login, Password
from vault_service.domain.errors import VaultError
from vault_service.web.view import KIB, GoTo, Nothing, Reply, Shown, Taken, Told, View, Visit

_PASSWORD, _LOGIN = "me/password.html", "me/login.html"


class PasswordChange(Taken, frozen=True):
    """Another password."""

    password: Password
    new_password: Password
    again: Password


class LoginChange(Taken, frozen=True):
    """Another login."""

    password: Password
    login: Login


class Typed(Taken, frozen=True):
    """A password while it is being typed."""

    password: Annotated[str, Meta(max_length=4096)]
    login: Annotated[str, Meta(max_length=1280)] = ""


class AdviceShown(msgspec.Struct, frozen=True):
    """Why it would be refused; empty if it would do."""

    reasons: tuple[str, ...]


def show_password(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """The form; after a one-time password, the only one that leads on."""
    return Shown(_PASSWORD, {**_password_values(visit), "problem": None})


def _password_values(visit: Visit[PageServices, Visitor, Any]) -> dict[str, Any]:
    accounts = visit.services.accounts
    must = accounts.account(visit.who.token).must_change
    return {"must_change": must, "passwords": accounts.parts.policies.passwords}


def change_password(visit: Visit[PageServices, Visitor, PasswordChange]) -> Reply:
    """Every session ends, this one too."""
    values = _password_values(visit)
    if visit.asked.again != visit.asked.new_password:
        return mistyped(_PASSWORD, values)
    try:
        visit.services.accounts.change_password(
            visit.who.token, visit.asked.password, visit.asked.new_password
        )
    except VaultError as error:
        return refused(_PASSWORD, error, values)
    return sign_in_again("password-changed")


def show_login(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """The form. The login of now is not shown: the records side does not know it."""
    visit.services.demand_session(visit.who)
    return Shown(_LOGIN, {"login": "", "problem": None})


def change_login(visit: Visit[PageServices, Visitor, LoginChange]) -> Reply:
    """Sessions go on."""
    asked = visit.asked
    try:
        visit.services.accounts.change_login(visit.who.token, asked.password, asked.login)
    except VaultError as error:
        return refused(_LOGIN, error, {"login": asked.login})
    return GoTo(f"{ACCOUNT}?said=login-changed")


def advise(visit: Visit[PageServices, Visitor | None, Typed]) -> Reply:
    """While it is typed; see accounts/password_advice.py."""
    reasons = visit.services.advice.reasons(visit.asked.password, visit.asked.login)
    return Told(AdviceShown(in_words(reasons)))


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", f"{PREFIX}/password", show_password),
    View("POST", f"{PREFIX}/password", change_password, PasswordChange),
    View("POST", f"{PREFIX}/password-advice", advise, Typed, open_to_all=True, max_body=16 * KIB),
    View("GET", f"{PREFIX}/login", show_login),
    View("POST", f"{PREFIX}/login", change_login, LoginChange),
)
