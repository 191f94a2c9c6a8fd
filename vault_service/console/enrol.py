"""Enrol a passkey by invitation: whoever holds the link makes one, and hands in its card.

1. The script sends the link's token, and gets what the passkey is to be made for.
2. The passkey is made; the browser makes the share key, and wraps it under what the passkey derives (PRF) or,
   where it derives nothing, under a passphrase in a file.
3. The server checks the new passkey and draws up the card; the passkey signs it (/intents/{intent_id}).
4. The card waits for officers. The newcomer reads its fingerprint to them.

An officer who has a passkey may keep it, and enrol a spare one beside it: the one that they have signs the
new one's public key, and opens the share key, which the browser wraps once more, for the spare one.

Nobody is signed in for any of this, and it gives no right: a quorum decides.
"""

import os
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.console.asking import assertion_of, record_of_visitor, verify
from vault_service.console.intents import AskedToSign, GoOn, Signed
from vault_service.console.services import Enrolling, Services
from vault_service.console.sessions import Session, session_id_of
from vault_service.crypto.registration import register
from vault_service.crypto.share_key import is_for_passkey, prf_input, wrap_info
from vault_service.crypto.webauthn import challenge_of
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Authenticator, Officer, Passkey
from vault_service.domain.web_errors import PasskeyRefusedError
from vault_service.recovery.enrolments import find_enrolled, hand_in
from vault_service.recovery.invitations import open_invitation
from vault_service.recovery.officer_card import (
    Beside,
    PasskeyCard,
    card_message,
    fingerprint_of,
    signed_card,
    spare_message,
    unsigned_card,
)
from vault_service.recovery.officers import MOST_PASSKEYS, takes_a_spare
from vault_service.recovery.passkey_counters import take_counter
from vault_service.recovery.trust import trusted_chain
from vault_service.storage.keys.invitations import InvitationRow
from vault_service.web.texts import say
from vault_service.web.view import KIB, Nothing, Reply, Shown, Taken, Told, View, Visit

_CHALLENGE_BYTES = 32
_WRAPPED_BYTES = 166  # nonce 12, PKCS #8 of a P-256 key 138, tag 16
_HexText = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*\Z")]


class AsHandedIn(Taken, frozen=True):
    """From the link that whoever hands a card in is given."""

    fingerprint: Annotated[str, Meta(max_length=100)] = ""  # of the card, as this process had it from them


class Token(Taken, frozen=True):
    """From the link's fragment."""

    token: str


class Present(msgspec.Struct, frozen=True):
    """A passkey that the officer has: it can open the share key for another one. Hex."""

    credential_id: str
    wrapped_share_key: str  # empty: it is in a file
    wrap_info: str


class MakePasskey(msgspec.Struct, frozen=True):
    """For enrol.js; bytes as hex."""

    enrolment_id: str
    name: str
    user_handle: str
    challenge: str
    rp_id: str
    rp_name: str
    taken: tuple[str, ...]  # other officers' credentials: one authenticator does not serve two people
    prf_input: str
    wrap_info_begin: str  # what stands before the share key in the wrap's info
    officer_id: str
    authenticator_id: str
    # Of an officer who has passkeys of this site:
    present: tuple[Present, ...] = ()
    share_key: str = ""  # what their shares are sealed to already
    spare_begin: str = ""  # what stands before the new passkey's public key in what one of those signs
    is_full: bool = False  # they have as many as one may have: none comes beside them


class PasskeyMade(Taken, frozen=True):
    """From enrol.js."""

    enrolment_id: str
    attestation_object: _HexText
    client_data_json: _HexText
    share_key: _HexText
    wrapped_share_key: _HexText  # empty: it is in a file
    beside: Signed | None = None  # by a passkey that the officer keeps: this one is a spare


def show(visit: Visit[Services, Session | None, Nothing]) -> Reply:
    """The page that the link leads to; which invitation it is, only the script knows."""
    del visit
    return Shown("enrol/enrol.html", {"most": MOST_PASSKEYS})


def begin(visit: Visit[Services, Session | None, Token]) -> Reply:
    """Raises InvitationRefusedError."""
    services = visit.services
    parts, fingerprint = services.recovery, bytes.fromhex(services.recovery.fingerprint)
    invitation = open_invitation(parts, visit.asked.token)
    # A device keeps one passkey for each user handle, here the authenticator's id: another attempt by the
    # same link takes the last one's place, and none that of what the officer signs with until the change.
    enrolling = Enrolling(invitation, invitation.invitation_id, os.urandom(_CHALLENGE_BYTES))
    officer, authenticator = invitation.officer_id, enrolling.authenticator_id
    # A share key of no bytes leaves the length before it, 4 bytes; the script appends that of its own.
    begins = wrap_info(fingerprint, officer, authenticator, b"")[:-4]
    spare_begins = spare_message(parts.fingerprint, officer, authenticator, b"")[:-4]  # likewise
    known = _known(services, officer)
    return Told(
        MakePasskey(
            enrolment_id=services.enrolling.put(enrolling, session_id_of(visit.who), _of(invitation)),
            name=invitation.name,
            user_handle=authenticator.hex,
            challenge=enrolling.challenge.hex(),
            rp_id=services.rp_id,
            rp_name=_RP_NAME,
            taken=_of_others(services, officer),
            prf_input=prf_input(fingerprint, officer).hex(),
            wrap_info_begin=begins.hex(),
            officer_id=str(officer),
            authenticator_id=str(authenticator),
            present=() if known is None else tuple(_present(services, known)),
            share_key="" if known is None else known.share_key,
            spare_begin=spare_begins.hex(),
            is_full=known is not None and not takes_a_spare(known),
        )
    )


def draw_up(visit: Visit[Services, Session | None, PasskeyMade]) -> Reply:
    """Check the new passkey and have it sign its card.

    Raises IntentGoneError, InvalidInputError; PasskeyRefusedError, which is recorded, or ThrottledError.
    """
    services, made = visit.services, visit.asked
    enrolling = services.enrolling.take(made.enrolment_id, session_id_of(visit.who))
    invitation = enrolling.invitation
    wrapped = bytes.fromhex(made.wrapped_share_key)
    if not is_for_passkey(made.share_key) or len(wrapped) not in {0, _WRAPPED_BYTES}:
        raise InvalidInputError("share key", "the browser made no key that the vault can use")
    try:
        new = register(
            rp_id=services.rp_id,
            origin=services.origin,
            challenge=enrolling.challenge,
            attestation_object=bytes.fromhex(made.attestation_object),
            client_data_json=bytes.fromhex(made.client_data_json),
        )
        if new.credential_id.hex() in _of_others(services, invitation.officer_id):
            raise PasskeyRefusedError("it is another officer's passkey")
    except PasskeyRefusedError:
        record_of_visitor(services, KeysEvent.OFFICER_REFUSED, invitation.officer_id)
        raise
    beside = None if made.beside is None else _beside(services, enrolling, made, made.beside, new.public_key)
    passkey = Passkey(new.credential_id.hex(), services.rp_id, services.origin, made.wrapped_share_key)
    authenticator = Authenticator(enrolling.authenticator_id, "passkey", new.public_key.hex(), passkey)
    card = unsigned_card(
        invitation.name, invitation.officer_id, authenticator, bytes.fromhex(made.share_key),
        fingerprint=services.recovery.fingerprint, beside=beside,
    )  # fmt: skip
    message = card_message(card)

    def receive(signed: Signed) -> Reply:
        return _enrolled(services, invitation, card, authenticator, signed)

    intent_id = services.intents.put(receive, session_id_of(visit.who), _of(invitation))
    return Told(
        AskedToSign(
            intent_id,
            challenge_of(message).hex(),
            services.rp_id,
            passkey.credential_id,
            says=say("Use your new passkey once more: it signs your card."),
        )
    )


def enrolled(visit: Visit[Services, Session | None, AsHandedIn]) -> Reply:
    """What to do now: read the fingerprint to the officers. Raises NotFoundError.

    Never that of a card which a superuser of the database has put in the place of theirs: officers see the
    same one, and would find that they agree. So none at all to whoever comes by an address that does not say
    which was theirs: a genuine link to this page, sent by somebody, must not have them read out another's.
    """
    parts = visit.services.recovery
    found = find_enrolled(parts, trusted_chain(parts), visit.id("enrolled_id"))
    theirs = visit.asked.fingerprint
    is_theirs = theirs == found.fingerprint if theirs else None  # None: the address does not say
    return Shown("enrol/enrolled.html", {"enrolled": found, "is_theirs": is_theirs})


def _enrolled(
    services: Services,
    invitation: InvitationRow,
    card: PasskeyCard,
    authenticator: Authenticator,
    signed: Signed,
) -> Reply:
    try:
        assertion = assertion_of(signed)
        verify(authenticator, signed, assertion, card_message(card))
    except PasskeyRefusedError:
        record_of_visitor(services, KeysEvent.OFFICER_REFUSED, invitation.officer_id)
        raise
    hand_in(services.recovery, invitation, signed_card(card, assertion.encode()).encode())
    return Told(GoOn(f"/enrolled/{invitation.invitation_id}?fingerprint={fingerprint_of(card)}"))


def _known(services: Services, officer_id: UUID) -> Officer | None:
    found = trusted_chain(services.recovery).newest.officers
    return next((each for each in found if each.officer_id == officer_id), None)


def _present(services: Services, officer: Officer) -> Iterator[Present]:
    """Beside which a spare one could stand: not a key file, whose share key is of another kind."""
    fingerprint, share_key = bytes.fromhex(services.recovery.fingerprint), bytes.fromhex(officer.share_key)
    for each in officer.authenticators:
        if isinstance(each.passkey, Passkey) and each.passkey.rp_id == services.rp_id:
            yield Present(
                each.passkey.credential_id,
                each.passkey.wrapped_share_key,
                wrap_info(fingerprint, officer.officer_id, each.authenticator_id, share_key).hex(),
            )


def _beside(
    services: Services, enrolling: Enrolling, made: PasskeyMade, signed: Signed, new_public_key: bytes
) -> Beside:
    """The word of a passkey that the officer has. Raises PasskeyRefusedError, recorded; InvalidInputError."""
    parts, invitation = services.recovery, enrolling.invitation
    officer = _known(services, invitation.officer_id)
    present = next(
        (
            each
            for each in (() if officer is None else officer.authenticators)
            if isinstance(each.passkey, Passkey) and each.passkey.credential_id == signed.credential_id
        ),
        None,
    )
    if officer is None or present is None:
        record_of_visitor(services, KeysEvent.OFFICER_REFUSED, invitation.officer_id)
        raise PasskeyRefusedError("it is none of the passkeys that you sign with here")
    if not takes_a_spare(officer):
        raise InvalidInputError("keeps", f"you have {MOST_PASSKEYS} passkeys already, which is the most")
    if officer.share_key != made.share_key:
        raise InvalidInputError("share key", "a spare passkey locks the key that you have, and no other")
    message = spare_message(parts.fingerprint, officer.officer_id, enrolling.authenticator_id, new_public_key)
    try:
        assertion = assertion_of(signed)
        verify(present, signed, assertion, message)
    except PasskeyRefusedError:
        record_of_visitor(services, KeysEvent.OFFICER_REFUSED, invitation.officer_id)
        raise
    take_counter(parts, officer.officer_id, present.authenticator_id, assertion.sign_count)
    return Beside(present.authenticator_id, assertion.encode().hex())


def _of(invitation: InvitationRow) -> str:
    return str(invitation.invitation_id)


def _of_others(services: Services, officer_id: UUID) -> tuple[str, ...]:
    return tuple(
        each.passkey.credential_id
        for officer in trusted_chain(services.recovery).newest.officers
        for each in officer.authenticators
        if officer.officer_id != officer_id and isinstance(each.passkey, Passkey)
    )


_RP_NAME = "vault_service"


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", "/enrol", show, open_to_all=True),
    View("POST", "/enrol/begin", begin, Token, open_to_all=True),
    View("POST", "/enrol/card", draw_up, PasskeyMade, open_to_all=True, max_body=64 * KIB),
    View("GET", "/enrolled/{enrolled_id}", enrolled, AsHandedIn, open_to_all=True),
)
