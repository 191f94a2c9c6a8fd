"""Invite somebody to enrol a passkey: a newcomer, or an officer who is to have another authenticator.

An invitation gives no right but to hand in one card. Whether whoever does so becomes an officer, a quorum
decides in an officer change, after the fingerprint was compared by voice. So neither a forged row nor a
stolen link makes anybody an officer; a stolen link is noticed when the person invited finds it used.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from vault_service.crypto.officer_change import MOST_NAME, folded
from vault_service.domain.contexts import context, text
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.recovery_errors import NotPermittedError
from vault_service.domain.web_errors import InvitationRefusedError
from vault_service.recovery.acting import Acting
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.invitations import InvitationRow, find_open_invitation, insert_invitation

_TOKEN_BYTES = 32
_TOKEN_CHARACTERS = 43  # base64url of 32 bytes


@dataclass(frozen=True, slots=True)
class Whom:
    """Who is to be invited, as the inviting officer will sign it."""

    invitation_id: UUID
    officer_id: UUID
    name: str
    message: bytes = field(repr=False)  # signed where the officer works in a browser


@dataclass(frozen=True, slots=True)
class Invitation:
    """Shown once; only the token's hash is kept."""

    whom: Whom
    token: str = field(repr=False)
    expires_at: datetime


def prepare_invitation(
    parts: RecoveryParts, acting: Acting, name: str, officer_id: UUID | None = None
) -> Whom:
    """`officer_id`: of the officer who is to have another authenticator; None: somebody new.

    Raises InvalidInputError, OfficerRefusedError; NotPermittedError, which is recorded.
    """
    officer = acting.officer
    try:
        parts.authority.demand_in_general(officer, "invite")
    except NotPermittedError:
        with parts.db.transaction() as conn:
            insert_event(conn, KeysEvent.OFFICER_REFUSED, parts.now(), officer=acting.officer_id)
        raise
    if officer_id is not None:
        known = next((each for each in acting.manifest.officers if each.officer_id == officer_id), None)
        if known is None:
            raise InvalidInputError("officer id", "the manifest names no officer with this id")
        name = known.name
    name = name.strip()
    if not name.isprintable() or not 1 <= len(name) <= MOST_NAME:
        raise InvalidInputError("name", f"1 to {MOST_NAME} characters that print")
    if officer_id is None and any(folded(each.name) == folded(name) for each in acting.manifest.officers):
        raise InvalidInputError(
            "name", f"{name} is an officer already: invite them to another passkey, or add to the name"
        )
    invitation, whom = new_uuid(), officer_id or new_uuid()
    message = context(
        b"invitation", bytes.fromhex(parts.fingerprint), invitation.bytes, whom.bytes, text(name),
        acting.officer_id.bytes,
    )  # fmt: skip
    return Whom(invitation, whom, name, message)


def invite(parts: RecoveryParts, acting: Acting, whom: Whom, *, good_for_s: int) -> Invitation:
    """Store it and give its token, this once. `good_for_s`: seconds in which it has to be used."""
    token, now = secrets.token_urlsafe(_TOKEN_BYTES), parts.now()
    expires = now + timedelta(seconds=good_for_s)
    hashed = _hash(token)
    row = InvitationRow(
        whom.invitation_id, hashed, whom.officer_id, whom.name, acting.officer_id, now, expires
    )
    with parts.db.transaction() as conn:
        insert_invitation(conn, row)
        insert_event(
            conn, KeysEvent.OFFICER_INVITED, now, digest=hashed, officer=OfficerId(acting.officer_id)
        )
    return Invitation(whom, token, expires)


def open_invitation(parts: RecoveryParts, token: str) -> InvitationRow:
    """Whom this token's invitation is for. Raises InvitationRefusedError: unknown, used or expired."""
    if len(token) != _TOKEN_CHARACTERS or not token.isascii():
        raise InvitationRefusedError
    with parts.db.connection() as conn:
        found = find_open_invitation(conn, _hash(token), parts.now())
    if found is None:
        raise InvitationRefusedError
    return found


def invitation_link(origin: str, token: str) -> str:
    """The token stands in the fragment, which browsers send to nobody: it is in no log."""
    return f"{origin}/enrol#{token}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
