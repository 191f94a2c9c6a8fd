"""Sign in by passkey, sign out, and where the browser hands in what a passkey signed.

A session is for looking. Whoever signs in proves to hold a passkey that the newest manifest names, for a
message that is made for this one time; whatever has an effect later asks for the passkey again.
"""

from typing import Annotated

from msgspec import Meta

from vault_service.console.asking import assertion_of, record, record_of_visitor, verify
from vault_service.console.challenges import BEGINS
from vault_service.console.door import COOKIE
from vault_service.console.intents import AskedToSign, GoOn, Signed
from vault_service.console.services import Services
from vault_service.console.sessions import Session, session_id_of
from vault_service.crypto.webauthn import challenge_of
from vault_service.domain.contexts import context
from vault_service.domain.events import KeysEvent
from vault_service.domain.manifest import Authenticator, Officer, Passkey
from vault_service.domain.web_errors import PasskeyRefusedError
from vault_service.recovery.passkey_counters import take_counter
from vault_service.recovery.trust import trusted_chain
from vault_service.web.safety import no_cookie, session_cookie
from vault_service.web.texts import say
from vault_service.web.view import GoTo, Nothing, Reply, Shown, Taken, Told, View, Visit, own_path

HOME = "/"
PATH = "/sign-in"


class Then(Taken, frozen=True):
    """The page that somebody asked for before: of this console, or it is the first one."""

    then: Annotated[str, Meta(max_length=3000)] = HOME


def show(visit: Visit[Services, Session | None, Then]) -> Reply:
    """The page with one button."""
    then = own_path(visit.asked.then, "")
    return GoTo(then) if visit.who is not None else Shown("sign_in/sign_in.html", {"then": then})


def begin(visit: Visit[Services, Session | None, Then]) -> Reply:
    """Ask for any passkey of this site; which officer's it is, it says itself."""
    services = visit.services
    then = own_path(visit.asked.then, "")
    intent_id, nonce = services.intents.challenges.issue(session_id_of(visit.who), then)
    challenge = challenge_of(_message(services, nonce))
    asked = AskedToSign(
        intent_id, challenge.hex(), services.rp_id, "", says=say("Use your passkey to sign in.")
    )
    return Told(asked)


def hand_in(visit: Visit[Services, Session | None, Signed]) -> Reply:
    """What was signed. Raises IntentGoneError, PasskeyRefusedError, and what the use case raises."""
    intent_id = visit.path["intent_id"]
    if intent_id.startswith(BEGINS):
        return _enter(visit.services, visit.who, intent_id, visit.asked)
    receive = visit.services.intents.take(intent_id, session_id_of(visit.who))
    return receive(visit.asked)


def sign_out(visit: Visit[Services, Session, Nothing]) -> Reply:
    """The session is gone at once, in this process; the cookie is only told to follow."""
    visit.services.sessions.end(visit.who)
    record(visit.services.recovery, KeysEvent.OFFICER_SIGNED_OUT, visit.who.officer)
    return GoTo(PATH, cookies=(no_cookie(COOKIE),))


def _enter(services: Services, before: Session | None, intent_id: str, signed: Signed) -> Reply:
    nonce, then = services.intents.challenges.opened(intent_id, session_id_of(before))
    officer, authenticator = _judged(services, nonce, signed)
    record(services.recovery, KeysEvent.OFFICER_SIGNED_IN, officer.officer_id)
    if before is not None:
        services.sessions.end(before)
    token, _ = services.sessions.begin(officer.officer_id, authenticator.authenticator_id)
    return Told(GoOn(then), cookies=(session_cookie(COOKIE, token),))


def _message(services: Services, nonce: bytes) -> bytes:
    return context(b"sign-in", bytes.fromhex(services.recovery.fingerprint), nonce)


def _judged(services: Services, nonce: bytes, signed: Signed) -> tuple[Officer, Authenticator]:
    """Raises PasskeyRefusedError, recorded; ThrottledError where there were too many to record them all.

    A challenge is used up by whoever holds an officer's passkey: nobody else is remembered here.
    """
    parts = services.recovery
    officer = None
    try:
        officer, authenticator = _owner(services, signed.credential_id)
        if signed.user_handle and signed.user_handle != authenticator.authenticator_id.hex:
            raise PasskeyRefusedError("the passkey was made for something else than the manifest says")
        assertion = assertion_of(signed)
        verify(authenticator, signed, assertion, _message(services, nonce))
    except PasskeyRefusedError:
        who = None if officer is None else officer.officer_id
        record_of_visitor(services, KeysEvent.OFFICER_SIGN_IN_REFUSED, who)
        raise
    services.intents.challenges.use(nonce)
    take_counter(parts, officer.officer_id, authenticator.authenticator_id, assertion.sign_count)
    return officer, authenticator


def _owner(services: Services, credential_id: str) -> tuple[Officer, Authenticator]:
    for officer in trusted_chain(services.recovery).newest.officers:
        for each in officer.authenticators:
            if isinstance(each.passkey, Passkey) and each.passkey.credential_id == credential_id:
                return officer, each
    raise PasskeyRefusedError("this passkey is no officer's here, or not any more")


VIEWS: tuple[View[Services, Session], ...] = (
    View("GET", PATH, show, Then, open_to_all=True),
    View("POST", PATH, begin, Then, open_to_all=True),
    View("POST", "/intents/{intent_id}", hand_in, Signed, open_to_all=True),
    View("POST", "/sign-out", sign_out),
)
