"""My account: where I am signed in, the key of my data, and its end."""

import contextlib
from typing import Annotated

from msgspec import Meta

from vault_service.api.user_page.entering import SaidAsked, sign_in_again
from vault_service.api.user_page.services import PREFIX, PageServices, Visitor
from vault_service.api.user_page.words import SAID, not_ticked, refused
from vault_service.api.users import Password
from vault_service.domain.errors import NotFoundError, SessionRefusedError, VaultError
from vault_service.domain.ids import SessionId
from vault_service.sessions.end import end_everywhere, end_one
from vault_service.sessions.list import my_sessions
from vault_service.web.view import GoTo, Nothing, Reply, Shown, Taken, View, Visit

ACCOUNT = f"{PREFIX}/account"
_KEY, _ERASE = "me/key.html", "me/erase.html"
_SESSIONS = f"{PREFIX}/sessions"


class PasswordGiven(Taken, frozen=True):
    """So that a session that was stolen cannot do it."""

    password: Password


class Erasure(Taken, frozen=True):
    """The password, and a box that was ticked."""

    password: Password
    certain: Annotated[str, Meta(max_length=4)] = ""


def show_account(visit: Visit[PageServices, Visitor, SaidAsked]) -> Reply:
    """Everything that can be done with it."""
    accounts = visit.services.accounts
    values = {
        "account": accounts.account(visit.who.token),
        "sessions": my_sessions(accounts.parts.db, visit.who.token, accounts.parts.now()),
        "has_codes": accounts.parts.policies.recovery.recovery_code.enabled,
        "said": SAID.get(visit.asked.said),
    }
    return Shown("me/account.html", values)


def left_s(services: PageServices, who: Visitor) -> float:
    """How long this session lasts if nobody does anything from now on. Raises SessionRefusedError."""
    parts, now = services.accounts.parts, services.accounts.parts.now()
    found = (each.expires_at for each in my_sessions(parts.db, who.token, now) if each.current)
    if (ends := next(found, None)) is None:
        raise SessionRefusedError  # ended in between
    return min(services.idle_left_s, (ends - now).total_seconds())


def show_key(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """What it is for, and the form."""
    visit.services.demand_session(visit.who)
    return Shown(_KEY, {"problem": None, "progress": None})


def change_key(visit: Visit[PageServices, Visitor, PasswordGiven]) -> Reply:
    """New data is under a new key from now on; each sign-in takes some of the older entries along."""
    try:
        visit.services.accounts.change_data_key(visit.who.token, visit.asked.password)
    except VaultError as error:
        return refused(_KEY, error, {"progress": None})
    return sign_in_again("key-changed")


def continue_key(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """Re-encrypt some more at once."""
    try:
        progress = visit.services.accounts.continue_data_key(visit.who.token)
    except VaultError as error:
        return refused(_KEY, error, {"progress": None})
    return Shown(_KEY, {"problem": None, "progress": progress})


def end_session(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """One of one's own."""
    parts = visit.services.accounts.parts
    ended = SessionId(visit.id("session_id"))
    with contextlib.suppress(NotFoundError):  # it has ended, which is what was wanted
        end_one(parts.db, visit.who.token, ended, parts.now())
    if ended == visit.who.token.session:
        return sign_in_again("signed-out")
    return GoTo(f"{ACCOUNT}?said=session-ended")


def end_all(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """Everywhere, here too."""
    parts = visit.services.accounts.parts
    end_everywhere(parts.db, visit.who.token, parts.now())
    return sign_in_again("signed-out")


def show_erasure(visit: Visit[PageServices, Visitor, Nothing]) -> Reply:
    """What it means."""
    visit.services.demand_session(visit.who)
    return Shown(_ERASE, {"problem": None})


def erase(visit: Visit[PageServices, Visitor, Erasure]) -> Reply:
    """Final."""
    if visit.asked.certain != "true":
        return not_ticked(_ERASE, {}, "certain")
    try:
        visit.services.accounts.erase(visit.who.token, visit.asked.password)
    except VaultError as error:
        return refused(_ERASE, error, {})
    return sign_in_again("erased")


VIEWS: tuple[View[PageServices, Visitor], ...] = (
    View("GET", ACCOUNT, show_account, SaidAsked),
    View("GET", f"{PREFIX}/key", show_key),
    View("POST", f"{PREFIX}/key", change_key, PasswordGiven),
    View("POST", f"{PREFIX}/key/continue", continue_key),
    View("POST", f"{_SESSIONS}/{{session_id}}/end", end_session),
    View("POST", f"{_SESSIONS}/end-all", end_all),
    View("GET", f"{PREFIX}/erase", show_erasure),
    View("POST", f"{PREFIX}/erase", erase, Erasure),
)
