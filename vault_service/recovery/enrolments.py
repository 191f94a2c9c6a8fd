"""Cards of passkeys that were handed in by invitation and wait for an officer change.

A card is believed for no more than it shows by itself: its own passkey signed it, for this vault. Whether it
is the card of the person who was invited, the fingerprint says, which officers have read to them.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from vault_service.crypto.officer_change import folded
from vault_service.domain.errors import InvalidInputError, NotFoundError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Role
from vault_service.domain.web_errors import InvitationRefusedError
from vault_service.recovery.acting import Acting
from vault_service.recovery.officer_card import (
    MOST_BYTES,
    Beside,
    PasskeyCard,
    fingerprint_of,
    read_card,
    stands_beside,
)
from vault_service.recovery.officers import Change, add, add_spare, re_key
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.invitations import (
    EnrolmentRow,
    InvitationRow,
    find_enrolment,
    insert_enrolment,
    list_enrolments,
)

MOST_LISTED = 100


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A card that waits."""

    enrolled_id: UUID  # of the invitation by which it came
    card: PasskeyCard
    fingerprint: str  # to be compared by voice
    invited_by: str  # the officer's name, as far as the manifest knows it
    at: datetime
    is_new_officer: bool  # False: an officer's other authenticator
    is_spare: bool = False  # it comes beside what the officer signs with, and takes no place


def hand_in(parts: RecoveryParts, invitation: InvitationRow, content: bytes) -> PasskeyCard:
    """Keep a card that somebody who was invited has made; officers are to look at it.

    Raises InvalidInputError for a card of somebody else; InvitationRefusedError where it was used meanwhile.
    """
    if len(content) > MOST_BYTES:
        raise InvalidInputError("card", "the card is too large")
    card = _passkey_card(parts, content)
    if (card.officer_id, card.name) != (invitation.officer_id, invitation.name):
        raise InvalidInputError("card", "the card is made for somebody else than the invitation says")
    now = parts.now()
    if now >= invitation.expires_at:
        raise InvitationRefusedError
    with parts.db.transaction() as conn:
        if not insert_enrolment(conn, invitation.invitation_id, content, now):
            raise InvitationRefusedError
        insert_event(
            conn, KeysEvent.PASSKEY_ENROLLED, now, digest=hashlib.sha256(content).digest(),
            officer=OfficerId(card.officer_id),
        )  # fmt: skip
    return card


def waiting(parts: RecoveryParts, trusted: Chain) -> tuple[Enrolled, ...]:
    """Cards that no manifest has ever named, newest first; what is no card for this vault is left out,
    and so is one under another name than its officer's.
    """
    with parts.db.connection() as conn:
        rows = list_enrolments(conn, MOST_LISTED)
    known = _ever_named(trusted)
    read = (_read(parts, trusted, row) for row in rows)
    return tuple(
        each for each in read if each is not None and each.card.authenticator.authenticator_id not in known
    )


def find_enrolled(parts: RecoveryParts, trusted: Chain, enrolled_id: UUID) -> Enrolled:
    """One of them, also when it is named already. Raises NotFoundError."""
    with parts.db.connection() as conn:
        row = find_enrolment(conn, enrolled_id)
    found = None if row is None else _read(parts, trusted, row)
    if found is None:
        raise NotFoundError("no card came in by this invitation")
    return found


def change_of(
    parts: RecoveryParts, acting: Acting, enrolled_id: UUID, roles: tuple[Role, ...] | None
) -> Change:
    """What an officer change makes of a waiting card; `roles`: of somebody new, else None.

    Raises NotFoundError, InvalidInputError.
    """
    found = find_enrolled(parts, acting.trusted, enrolled_id)
    if found.card.authenticator.authenticator_id in _ever_named(acting.trusted):
        raise InvalidInputError("enrolled", "this card was used already")
    if found.is_new_officer:
        if not roles:
            raise InvalidInputError("enrolled", f"{found.card.name} is somebody new: say in which roles")
        return add(found.card, roles)
    if roles:
        raise InvalidInputError("enrolled", f"{found.card.name} is an officer already, and keeps their roles")
    return add_spare(found.card) if found.is_spare else re_key(found.card)


def _read(parts: RecoveryParts, trusted: Chain, row: EnrolmentRow) -> Enrolled | None:
    try:
        card = _passkey_card(parts, row.card)
    except InvalidInputError:
        return None  # a row that somebody wrote; there is nothing in it to decide about
    people = {each.officer_id: each for each in trusted.newest.officers}
    officers = {each: person.name for each, person in people.items()}
    # People look at the name and compare the fingerprint; what is replaced goes by the id. Under another name
    # somebody's own card could re-key an officer, who has never heard of it.
    alike = [officer for officer, name in officers.items() if folded(name) == folded(card.name)]
    if alike != [each for each in officers if each == card.officer_id]:
        return None
    # A spare one is silent: its officer goes on with the other. So the other must have said so.
    is_spare = isinstance(card.beside, Beside)
    if is_spare and not (card.officer_id in people and stands_beside(card, people[card.officer_id])):
        return None
    inviter = officers.get(row.invitation.invited_by, "")
    return Enrolled(
        row.invitation.invitation_id,
        card,
        fingerprint_of(card),
        inviter,
        row.at,
        card.officer_id not in officers,
        is_spare,
    )


def _passkey_card(parts: RecoveryParts, content: bytes) -> PasskeyCard:
    card = read_card(content, fingerprint=parts.fingerprint)
    if not isinstance(card, PasskeyCard):
        raise InvalidInputError("card", "a key file's; invitations are for passkeys")
    return card


def _ever_named(trusted: Chain) -> frozenset[UUID]:
    return frozenset(
        auth.authenticator_id
        for manifest in trusted.history()
        for officer in manifest.officers
        for auth in officer.authenticators
    )
