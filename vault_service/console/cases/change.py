"""Propose a change of officers: first it is shown what would be other than it is, then the case is opened.

What is opened is the manifest that was shown, byte for byte; the other officers see the same differences.
"""

from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from vault_service.console.cases.opening import Reason, open_wanted, user_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.manifest import Officer, Role
from vault_service.domain.visible import visible
from vault_service.recovery import enrolments, officers
from vault_service.recovery.acting import Acting
from vault_service.recovery.officers import Change, review
from vault_service.recovery.open_case import Wanted
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.propose import check_escrow_point, draw_up, escrow_key_of, roles_of
from vault_service.web.view import KIB, Nothing, Reply, Shown, Taken, View, Visit

PATH = "/cases/new/officer-change"
ROLES: tuple[Role, ...] = ("requester", "approver", "discloser", "auditor", "operator")
_MOST = 512 * KIB  # a manifest in hex, of some sixty officers

Texts = str | tuple[str, ...]
"""Of a form: one text, or several of the same name."""


class Wish(Taken, frozen=True):
    """The form, with every officer in it as they are to be."""

    officers: Texts  # ids, in their order
    accounts: Texts  # of each: user ids with blanks between
    roles: Texts = ()  # "id/role" that is ticked
    remove: Texts = ()  # ids
    add: Texts = ()  # cards that wait
    add_roles: Texts = ()  # "card/role"
    base: str = ""
    disclosure: str = ""
    escrow_key: Annotated[str, Meta(max_length=300)] = ""
    destroy_escrow_key: str = ""


class Proposed(Taken, frozen=True):
    """What was shown, and why it is wanted."""

    manifest: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+\Z")]
    reason: Reason


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """The form: everything as it is."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    values = {
        "manifest": acting.manifest,
        "roles": ROLES,
        "waiting": enrolments.waiting(parts, acting.trusted),
    }
    return Shown("cases/change.html", values)


def preview(visit: Visit[Services, Session, Wish]) -> Reply:
    """What would be other than it is. Raises InvalidInputError, ManifestError."""
    parts, acting = visit.services.recovery, visit.services.officer(visit.who)
    proposal = draw_up(parts, acting, tuple(_changes(parts, acting, visit.asked)))
    lines = tuple(map(visible, proposal.lines))
    return Shown("cases/change_preview.html", {"lines": lines, "body": proposal.body.hex()})


def propose(visit: Visit[Services, Session, Proposed]) -> Reply:
    """Open the case. Raises as recovery.open_case; ManifestError for what nobody could work under."""
    body = bytes.fromhex(visit.asked.manifest)
    review(body, visit.services.officer(visit.who).manifest)
    return open_wanted(visit, Wanted("officer-change", visit.asked.reason, manifest=body))


def _changes(parts: RecoveryParts, acting: Acting, wish: Wish) -> Iterator[Change]:
    gone = set(_several(wish.remove))
    yield from (officers.remove(each) for each in gone)
    yield from _cards(parts, acting, wish)
    for officer_id, accounts in zip(_several(wish.officers), _several(wish.accounts), strict=True):
        if officer_id not in gone:
            officer = officers.find_officer(acting.manifest, officer_id)
            yield from _of_officer(officer, _ticked(wish.roles, officer_id), accounts)
    quorum = acting.manifest.quorum
    base, disclosure = _number(wish.base), _number(wish.disclosure)
    if (base or quorum.base, disclosure or quorum.disclosure) != (quorum.base, quorum.disclosure):
        yield officers.set_quorum(base=base, disclosure=disclosure)
    if wish.escrow_key.strip():
        gen, point = escrow_key_of(wish.escrow_key)
        check_escrow_point(parts, point)
        yield officers.use_escrow_key(gen, point)
    if (destroyed := _number(wish.destroy_escrow_key)) is not None:
        yield officers.destroy_escrow_key(destroyed)


def _cards(parts: RecoveryParts, acting: Acting, wish: Wish) -> Iterator[Change]:
    for enrolled in _several(wish.add):
        roles = _ticked(wish.add_roles, enrolled)
        yield enrolments.change_of(parts, acting, user_of(enrolled), roles or None)


def _of_officer(officer: Officer, roles: tuple[Role, ...], accounts: str) -> Iterator[Change]:
    if set(roles) != set(officer.roles):
        yield officers.set_roles(str(officer.officer_id), roles)
    ids: tuple[UUID, ...] = tuple(map(user_of, accounts.replace(",", " ").split()))
    if set(ids) != set(officer.user_ids):
        yield officers.set_user_ids(str(officer.officer_id), ids)


def _ticked(ticked: Texts, of: str) -> tuple[Role, ...]:
    pairs = [each.partition("/") for each in _several(ticked)]
    return roles_of([role for whose, _, role in pairs if whose == of])


def _several(texts: Texts) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else texts


def _number(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal():
        raise InvalidInputError("number", f"{visible(text[:20])} is none")
    return int(text)


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", PATH, show),
    View("POST", f"{PATH}/preview", preview, Wish),
    View("POST", PATH, propose, Proposed, max_body=_MOST),
)
