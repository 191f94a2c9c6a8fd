"""Approve or veto a case: a signature over exactly what was shown.

Whoever decides hands in the case as it was shown, not its id: a row that is exchanged between looking
and signing is signed by nobody. A refusal is recorded before it is answered.
"""

import dataclasses
from dataclasses import dataclass

from vault_service.crypto.approvals import SignedDecision, check_decision
from vault_service.crypto.phrase import check_phrase
from vault_service.domain.case import Decision
from vault_service.domain.errors import UnavailableError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId, UserId, new_uuid
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseRefusedError,
    IdentificationNeededError,
    IdentificationRefusedError,
)
from vault_service.kms.recovery_messages import DoneCase, Identified, Identify, VetoCase
from vault_service.recovery.acting import UNSIGNED, Acting, call
from vault_service.recovery.cases import ShownCase, demand_open, demand_whole, judged, read_case
from vault_service.recovery.officers import endorse, review
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
    own = tuple(signed for signed in shown.decisions if signed.officer_id == acting.key.officer)
    return bool(judged(parts, acting.trusted, shown.case, own, shown.proposed).approved_by)


def demand_may(parts: RecoveryParts, acting: Acting, shown: ShownCase, decision: Decision) -> None:
    """Whether this officer may decide so about this case now. Raises as `approve`, recorded like there."""
    _checked(parts, acting, shown, acting.decide(shown.digest, decision))


def approve(parts: RecoveryParts, acting: Acting, shown: ShownCase, person: Person | None = None) -> Approved:
    """Approve, and release one's share where a ceremony for the case waits for it.

    `person`: of a regain, unless it was approved before. Raises CaseClosedError, CaseRefusedError,
    ApprovalRefusedError, SelfApprovalError, NotPermittedError, IdentificationRefusedError,
    IdentificationNeededError.
    """
    signed = acting.decide(shown.digest, "approve")
    _checked(parts, acting, shown, signed)
    is_new = not has_approved(parts, acting, shown)
    if is_new:
        signed = _complete(parts, acting, shown, signed, person)
        submit(parts, acting, shown, signed)
    releases = release_to_all(parts, acting, shown.case_id)
    return Approved(read_case(parts, acting.trusted, shown.case_id), is_new, releases)


def submit(parts: RecoveryParts, acting: Acting, shown: ShownCase, signed: SignedDecision) -> None:
    """Store an approval that was signed, here or in a browser. Raises as `approve`."""
    _checked(parts, acting, shown, signed)
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


def veto(parts: RecoveryParts, acting: Acting, shown: ShownCase) -> DoneCase:
    """End a case; one officer's word is enough. Raises as `approve`."""
    signed = acting.decide(shown.digest, "veto")
    _checked(parts, acting, shown, signed)
    request = VetoCase(
        shown.case_id, signed.officer_id, signed.authenticator_id, signed.decision, signed.signature
    )
    return parts.kms.call(request, DoneCase)


def identify(parts: RecoveryParts, acting: Acting, shown: ShownCase, person: Person) -> bytes:
    """The key service's word that login and phrase are the case's. Raises IdentificationRefusedError.

    The phrase is compared here as well, with the case that is signed: it is what the person was told.
    """
    request = Identify(shown.case_id, person.login, person.phrase, UNSIGNED)
    identified = call(parts, acting, request, Identified).identified
    try:
        check_phrase(person.phrase, shown.digest)
    except IdentificationRefusedError:
        _refused(parts, KeysEvent.APPROVAL_REFUSED, acting, shown)
        raise
    return identified


def _complete(
    parts: RecoveryParts, acting: Acting, shown: ShownCase, signed: SignedDecision, person: Person | None
) -> SignedDecision:
    """Add what an approval of this kind needs beside the signature."""
    if shown.case.kind == "regain":
        if person is None:
            raise IdentificationNeededError
        return dataclasses.replace(signed, identified=identify(parts, acting, shown, person))
    if shown.proposed is not None and shown.case.kind == "officer-change":
        return dataclasses.replace(signed, endorsement=endorse(acting.key, shown.proposed, acting.manifest))
    return signed


def _checked(parts: RecoveryParts, acting: Acting, shown: ShownCase, signed: SignedDecision) -> None:
    """Whether it would count, the case being as it was shown; if not, that is recorded and raised."""
    try:
        now_stored = read_case(parts, acting.trusted, shown.case_id)
        if now_stored.digest != shown.digest:
            raise CaseRefusedError("the case is not the one that was shown any more")
        if signed.decision == "approve" or now_stored.state != "executing":
            demand_open(parts, now_stored)
        check_decision(shown.case, signed, acting.manifest, parts.authority)
        if signed.decision == "approve" and shown.proposed is not None:
            review(shown.proposed, acting.manifest)
    except UnavailableError:
        raise
    except CaseRefusedError:
        _refused(parts, KeysEvent.CASE_INTEGRITY_FAILED, acting, shown)
        raise
    except VaultError:
        _refused(parts, KeysEvent.APPROVAL_REFUSED, acting, shown)
        raise


def _refused(parts: RecoveryParts, kind: KeysEvent, acting: Acting, shown: ShownCase) -> None:
    with parts.db.transaction() as conn:
        insert_event(
            conn, kind, parts.now(), user=_subject(shown), digest=shown.digest,
            case=shown.case_id, officer=acting.key.officer,
        )  # fmt: skip


def _subject(shown: ShownCase) -> UserId:
    return UserId(shown.case.user_id) if shown.case.user_id is not None else NOBODY
