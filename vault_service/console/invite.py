"""Invite somebody to enrol a passkey; the inviting officer signs it with theirs."""

from uuid import UUID

import msgspec

from vault_service.console.asking import ask
from vault_service.console.intents import Signed
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.recovery.invitations import invitation_link, invite, prepare_invitation
from vault_service.web.texts import say
from vault_service.web.times import moment
from vault_service.web.view import Reply, Shown, Taken, Told, View, Visit


class Chosen(Taken, frozen=True):
    """`officer`: whom the page is opened for."""

    officer: str = ""


class Invite(Taken, frozen=True):
    """One of the two."""

    name: str = ""
    officer_id: UUID | None = None


class Invited(msgspec.Struct, frozen=True):
    """Shown in the form that asked for it."""

    link: str
    until: str  # RFC 3339: the script shows it in the reader's zone, with UTC beside


def show(visit: Visit[Services, Session, Chosen]) -> Reply:
    """The page with two forms."""
    acting = visit.services.officer(visit.who)
    officers = [(str(each.officer_id), each.name) for each in acting.manifest.officers]
    return Shown("invite/invite.html", {"officers": officers, "chosen": visit.asked.officer})


def begin(visit: Visit[Services, Session, Invite]) -> Reply:
    """Raises InvalidInputError, NotPermittedError."""
    services, asked = visit.services, visit.asked
    acting = services.officer(visit.who)
    whom = prepare_invitation(services.recovery, acting, asked.name, asked.officer_id)

    def finish(signed: Signed, signature: bytes) -> Reply:
        del signed, signature
        now = services.officer(visit.who)
        made = invite(services.recovery, now, whom, good_for_s=services.rule.invitation_s)
        return Told(Invited(invitation_link(services.origin, made.token), moment(made.expires_at)))

    return ask(visit, whom.message, finish, says=say("Use your passkey to sign the invitation."))


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/invite", show, Chosen),
    View("POST", "/invite", begin, Invite),
)
