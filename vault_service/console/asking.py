"""Ask an officer's passkey to sign, and judge what it gives: the one way from a page to a signature.

1. `ask` keeps the message on the server and gives the browser its hash, as a challenge.
2. The answer is judged by the manifest as it is then: the officer may be gone since. Another passkey, page,
   message, nobody verified, a counter that went back: refused, and recorded before it is answered.
3. Only then `finish` runs, with the signature as it stands where a key file's would.
"""

from uuid import UUID

import msgspec
import structlog
from cryptography.exceptions import InvalidSignature

from vault_service.console.intents import AskedToSign, Finish, ShareToRelease, Signed
from vault_service.console.refusals import reason_of
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.crypto.officer_signature import verify_signature
from vault_service.crypto.share_key import prf_input, wrap_info
from vault_service.crypto.webauthn import Assertion, challenge_of
from vault_service.domain.errors import ThrottledError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Authenticator, Passkey
from vault_service.domain.web_errors import PasskeyRefusedError
from vault_service.recovery.acting import Acting
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.passkey_counters import take_counter
from vault_service.storage.keys.events import insert_event
from vault_service.web.view import Reply, T, Told, Visit

_log = structlog.get_logger("console")


def ask(
    visit: Visit[Services, Session, T],
    message: bytes,
    finish: Finish,
    *,
    says: str,
    shares: tuple[ShareToRelease, ...] = (),
) -> Told:
    """Have the officer who is signed in sign this message; `finish` runs when that is done.

    `says`: what the person is told meanwhile. `shares`: to be opened and sealed anew in the same act.
    Raises NotSignedInError.
    """
    services, session = visit.services, visit.who
    acting = services.officer(session)

    def receive(signed: Signed) -> Reply:
        now = services.officer(session)
        return finish(signed, judged(services.recovery, now, message, signed))

    intent_id = services.intents.put(receive, session.session_id, session.session_id)
    passkey = passkey_of(acting.authenticator)
    asked = AskedToSign(
        intent_id, challenge_of(message).hex(), passkey.rp_id, passkey.credential_id, says=says
    )
    return Told(_to_release(services, acting, asked, shares) if shares else asked)


def judged(parts: RecoveryParts, acting: Acting, message: bytes, signed: Signed) -> bytes:
    """The encoded assertion, once it stands for this message and its counter was taken.

    Raises PasskeyRefusedError, PasskeyCounterError; both recorded.
    """
    officer, authenticator = acting.officer_id, acting.authenticator
    try:
        assertion = assertion_of(signed)
        verify(authenticator, signed, assertion, message)
    except PasskeyRefusedError:
        record(parts, KeysEvent.OFFICER_REFUSED, officer)
        raise
    take_counter(parts, officer, authenticator.authenticator_id, assertion.sign_count)
    return assertion.encode()


def verify(authenticator: Authenticator, signed: Signed, assertion: Assertion, message: bytes) -> None:
    """Raises PasskeyRefusedError, which says in plain words what was wrong."""
    passkey = passkey_of(authenticator)
    if signed.credential_id and signed.credential_id != passkey.credential_id:
        raise PasskeyRefusedError("another passkey answered than the one that is enrolled for you")
    try:
        verify_signature(authenticator, assertion.encode(), message)
    except InvalidSignature:
        raise PasskeyRefusedError(reason_of(passkey, assertion, message)) from None


def assertion_of(signed: Signed) -> Assertion:
    """Raises PasskeyRefusedError."""
    try:
        assertion = Assertion(
            bytes.fromhex(signed.authenticator_data),
            bytes.fromhex(signed.client_data_json),
            bytes.fromhex(signed.signature),
        )
        return Assertion.decode(assertion.encode())  # of a size that every judge takes
    except (ValueError, InvalidSignature):
        raise PasskeyRefusedError("what the browser sent is no answer of a passkey") from None


def passkey_of(authenticator: Authenticator) -> Passkey:
    """Raises PasskeyRefusedError for a key file: its owner works with vaultctl."""
    if not isinstance(authenticator.passkey, Passkey):
        raise PasskeyRefusedError("this officer has a key file, not a passkey")
    return authenticator.passkey


def record(parts: RecoveryParts, kind: KeysEvent, officer: UUID | None) -> None:
    """A refusal is evidence."""
    with parts.db.transaction() as conn:
        insert_event(conn, kind, parts.now(), officer=None if officer is None else OfficerId(officer))


def record_of_visitor(services: Services, kind: KeysEvent, officer: UUID | None) -> None:
    """The same of somebody who is not signed in: whoever reaches the page could fill the log.

    Raises ThrottledError where there were too many to record them all.
    """
    if not services.refusals.spend():
        _log.warning("console.refusals_not_recorded")
        raise ThrottledError from None
    record(services.recovery, kind, officer)


def _to_release(
    services: Services, acting: Acting, asked: AskedToSign, shares: tuple[ShareToRelease, ...]
) -> AskedToSign:
    """With what opens the officer's share key in the browser."""
    authenticator, share_key = acting.authenticator, bytes.fromhex(acting.officer.share_key)
    fingerprint, officer = bytes.fromhex(services.recovery.fingerprint), acting.officer_id
    passkey = passkey_of(authenticator)
    derives = bool(passkey.wrapped_share_key)
    return msgspec.structs.replace(
        asked,
        prf_input=prf_input(fingerprint, officer).hex() if derives else "",
        wrapped_share_key=passkey.wrapped_share_key,
        wrap_info=wrap_info(fingerprint, officer, authenticator.authenticator_id, share_key).hex(),
        share_key=share_key.hex(),
        shares=shares,
    )
