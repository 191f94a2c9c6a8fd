"""Approve or veto a case: a signature over exactly what was shown.

Whoever decides hands in the case as it was shown, not its id: a row that is exchanged between looking
and signing is signed by nobody. A refusal is recorded before it is answered.
"""

import dataclasses
from dataclasses import dataclass

from vault_service.crypto.approvals import (
    SignedDecision,
    check_decision,
    check_may_decide,
    voice_of,
)
from vault_service.crypto.phrase import check_phrase
from vault_service.domain.case import Decision
from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId, UserId, new_uuid
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseRefusedError,
    IdentificationNeededError,
    IdentificationRefusedError,
)
from vault_service.kms.protocol.recovery_messages import DoneCase, Identified, Identify, VetoCase
from vault_service.recovery.acting import (
    UNSIGNED,
    Acting,
    ActingWithKey,
    PreparedCall,
    prepare_call,
    send_call,
)
from vault_service.recovery.cases import ShownCase, demand_open, demand_whole, judged, read_case
from vault_service.recovery.officers import endorsement_input, review
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.release import Releases, release_to_all
from vault_service.storage.keys.approvals import insert_approval
from vault_service.storage.keys.events import insert_event


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks, as the officer established it: what was typed, never what the vault said."""

    login: str
    phrase: str

    def __repr__(self) -> str:
        """A login is personal data."""
        return "Person()"


@dataclass(frozen=True, slots=True)
class Approved:
    """What an approval led to."""

    shown: ShownCase  # as it is now
    is_new: bool  # False: the officer had approved before, and nothing was added
    releases: Releases


def has_approved(parts: RecoveryParts, acting: Acting, shown: ShownCase) -> bool:
    """Whether a genuine approval of this officer is there: what others put in their name does not count."""
    own = tuple(signed for signed in shown.decisions if signed.officer_id == acting.officer_id)
    return bool(judged(parts, acting.trusted, shown.case, own, shown.proposed).approved_by)


def demand_may_decide(parts: RecoveryParts, acting: Acting, shown: ShownCase, decision: Decision) -> None:
    """Whether this officer may decide so about this case now, once it is signed.

    Raises as `approve`, recorded like there.
    """
    _check(parts, acting, shown, decision, None)


def approve(
    parts: RecoveryParts, acting: ActingWithKey, shown: ShownCase, person: Person | None = None
) -> Approved:
    """Approve, and release one's share where a ceremony for the case waits for it.

    `person`: of a regain, unless it was approved before. Raises CaseClosedError, CaseRefusedError,
    ApprovalRefusedError, SelfApprovalError, NotPermittedError, IdentificationRefusedError,
    IdentificationNeededError.
    """
    signed = acting.decide(shown.digest, "approve")
    _check(parts, acting, shown, "approve", signed)
    is_new = not has_approved(parts, acting, shown)
    if is_new:
        signed = _complete(parts, acting, shown, signed, person)
        submit(parts, acting, shown, signed)
    releases = release_to_all(parts, acting, shown.case_id)
    return Approved(read_case(parts, acting.trusted, shown.case_id), is_new, releases)


def submit(parts: RecoveryParts, acting: Acting, shown: ShownCase, signed: SignedDecision) -> None:
    """Store an approval that was signed, here or in a browser. Raises as `approve`."""
    _check(parts, acting, shown, "approve", signed)
    try:
        demand_whole(shown.case, signed, acting.manifest, shown.proposed)
    except ApprovalRefusedError:
        _refused(parts, KeysEvent.APPROVAL_REFUSED, acting, shown)
        raise
    now = parts.now()
    with parts.db.transaction() as conn:
        insert_approval(conn, shown.case_id, new_uuid(), signed, now)
        insert_event(
            conn, KeysEvent.CASE_APPROVED, now, user=_subject(shown), digest=shown.digest,
            case=shown.case_id, officer=OfficerId(signed.officer_id),
        )  # fmt: skip


def veto(parts: RecoveryParts, acting: ActingWithKey, shown: ShownCase, reason: str = "") -> DoneCase:
    """End a case; one officer's word is enough. Raises as `approve`."""
    return veto_signed(parts, acting, shown, acting.decide(shown.digest, "veto", reason))


def veto_signed(parts: RecoveryParts, acting: Acting, shown: ShownCase, signed: SignedDecision) -> DoneCase:
    """End a case by a veto that was signed, here or in a browser. Raises as `approve`."""
    _check(parts, acting, shown, "veto", signed)
    request = VetoCase(
        shown.case_id,
        signed.officer_id,
        signed.authenticator_id,
        signed.decision,
        signed.signature,
        signed.reason,
    )
    return parts.kms.call(request, DoneCase)


def identify(parts: RecoveryParts, acting: ActingWithKey, shown: ShownCase, person: Person) -> bytes:
    """The key service's word that login and phrase are the case's. Raises IdentificationRefusedError."""
    prepared = prepare_identify(parts, acting, shown, person)
    return identified(parts, acting, shown, person, prepared, acting.key.signing.sign(prepared.message))


def prepare_identify(
    parts: RecoveryParts, acting: Acting, shown: ShownCase, person: Person
) -> PreparedCall[Identify]:
    """What the officer signs to have it checked who the person is. Raises IdentificationNeededError."""
    if not person.login.strip() or not person.phrase.strip():
        raise IdentificationNeededError
    return prepare_call(parts, acting, Identify(shown.case_id, person.login, person.phrase, UNSIGNED))


def identified(
    parts: RecoveryParts,
    acting: Acting,
    shown: ShownCase,
    person: Person,
    prepared: PreparedCall[Identify],
    signature: bytes,
) -> bytes:
    """The key service's word, which belongs into the approval (SignedDecision.identified).

    The phrase is compared here as well, with the case that is signed: it is what the person was told.
    Raises IdentificationRefusedError.
    """
    word = send_call(parts, prepared, signature, Identified).identified
    try:
        check_phrase(person.phrase, shown.digest)
    except IdentificationRefusedError:
        _refused(parts, KeysEvent.APPROVAL_REFUSED, acting, shown)
        raise
    return word


def endorsement_message(shown: ShownCase, manifest: Manifest) -> bytes:
    """What an approval of an officer change signs beside the case (SignedDecision.endorsement).

    `manifest`: the newest. Raises CaseRefusedError for a case that proposes none, ManifestError for one that
    does not follow the newest or that nobody could work under.
    """
    if shown.proposed is None:
        raise CaseRefusedError("the case proposes no manifest")
    return endorsement_input(shown.proposed, manifest)


def _complete(
    parts: RecoveryParts,
    acting: ActingWithKey,
    shown: ShownCase,
    signed: SignedDecision,
    person: Person | None,
) -> SignedDecision:
    """Add what an approval of this kind needs beside the signature."""
    if shown.case.kind == "regain":
        if person is None:
            raise IdentificationNeededError
        return dataclasses.replace(signed, identified=identify(parts, acting, shown, person))
    if shown.proposed is not None and shown.case.kind == "officer-change":
        message = endorsement_message(shown, acting.manifest)
        return dataclasses.replace(signed, endorsement=acting.key.signing.sign(message))
    return signed


def _check(
    parts: RecoveryParts,
    acting: Acting,
    shown: ShownCase,
    decision: Decision,
    signed: SignedDecision | None,
) -> None:
    """Whether it would count, the case being as it was shown; if not, that is recorded and raised.

    `signed`: None before it is signed, when everything but the signature is looked at.
    """
    try:
        now_stored = read_case(parts, acting.trusted, shown.case_id)
        if now_stored.digest != shown.digest:
            raise CaseRefusedError("the case is not the one that was shown any more")
        if decision == "approve" or now_stored.state != "executing":
            demand_open(parts, now_stored)
        if signed is None:
            officer, _ = voice_of(acting.manifest, acting.officer_id, acting.authenticator_id)
            check_may_decide(shown.case, officer, decision, parts.authority)
        else:
            _demand_own(acting, decision, signed)
            check_decision(shown.case, signed, acting.manifest, parts.authority)
        if decision == "approve" and shown.proposed is not None:
            review(shown.proposed, acting.manifest)
    except UnavailableError:
        raise
    except CaseRefusedError:
        _refused(parts, KeysEvent.CASE_INTEGRITY_FAILED, acting, shown)
        raise
    except VaultError:
        _refused(parts, KeysEvent.APPROVAL_REFUSED, acting, shown)
        raise


def _demand_own(acting: Acting, decision: Decision, signed: SignedDecision) -> None:
    """Nobody hands in another's decision, or another than was meant. Raises ApprovalRefusedError."""
    if (signed.officer_id, signed.authenticator_id) != (acting.officer_id, acting.authenticator_id):
        raise ApprovalRefusedError("it is somebody else's decision")
    if signed.decision != decision:
        raise ApprovalRefusedError(f"a {signed.decision} was signed, where it takes one to {decision}")


def _refused(parts: RecoveryParts, kind: KeysEvent, acting: Acting, shown: ShownCase) -> None:
    with parts.db.transaction() as conn:
        insert_event(
            conn, kind, parts.now(), user=_subject(shown), digest=shown.digest,
            case=shown.case_id, officer=acting.officer_id,
        )  # fmt: skip


def _subject(shown: ShownCase) -> UserId:
    return UserId(shown.case.user_id) if shown.case.user_id is not None else NOBODY
