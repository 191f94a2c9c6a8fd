"""Find a user by their login, to open a case about them. Each look-up is signed, recorded and limited.

What was typed is neither shown again nor put into an address: a login is personal data. An id is none.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from vault_service.console.asking import ask
from vault_service.console.intents import Signed
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.errors import InvalidInputError
from vault_service.recovery.open_case import found, prepare_find
from vault_service.web.texts import say
from vault_service.web.view import Nothing, Reply, Shown, Taken, Told, View, Visit


class Find(Taken, frozen=True):
    """The form."""

    login: Annotated[str, Meta(max_length=1000)]
    purpose: Annotated[str, Meta(max_length=500)]
    tenant: Annotated[str, Meta(min_length=1, max_length=64)] = "default"


class Found(msgspec.Struct, frozen=True):
    """For the page's script, which shows it in the form."""

    user_id: str
    found: str


def show(_: Visit[Services, Session, Nothing]) -> Reply:
    """The form."""
    return Shown("cases/find.html")


def find(visit: Visit[Services, Session, Find]) -> Reply:
    """Have the look-up signed. Raises as recovery.open_case.find_user."""
    asked, services = visit.asked, visit.services
    if not asked.login.strip():
        raise InvalidInputError("login", "type the person's login")
    acting = services.officer(visit.who)
    prepared = prepare_find(services.recovery, acting, asked.tenant, asked.login, asked.purpose)

    def finish(_: Signed, signature: bytes) -> Reply:
        user = found(services.recovery, prepared, signature)
        if user is None:
            return Told(Found("", say("Nobody has this login.")))
        return Told(Found(str(user), say("Somebody has this login. Their id:")))

    return ask(
        visit, prepared.message, finish, says=say("Your passkey signs the look-up, which is recorded.")
    )


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/find-user", show),
    View("POST", "/find-user", find, Find),
)
