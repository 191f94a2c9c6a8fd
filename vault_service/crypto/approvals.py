"""Whether enough officers agree: told from signatures, each time it matters, and never from a table.

The key service judges before it peels, the ceremony by itself before it opens the escrow token, and each
officer's client to show how a case stands. An approval counts when

- its signature is over this very case, this decision, by an authenticator of the current manifest;
- its officer is neither the requester nor the subject, and the policies permit it;
- no other approval of the same *person* counts: two authenticators of one officer are one voice.

A veto counts from any officer who may decide; one is enough.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidSignature

from vault_service.crypto.officer_signature import verify_signature
from vault_service.domain.case import (
    Case,
    Decision,
    approval_message,
    case_hash,
    reasoned_veto_message,
)
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Authenticator, Manifest, Officer
from vault_service.domain.recovery_errors import ApprovalRefusedError, NotPermittedError, SelfApprovalError
from vault_service.policy.authority import Authority


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """An officer's signature over a case."""

    officer_id: UUID
    authenticator_id: UUID
    decision: Decision
    signature: bytes = field(repr=False)
    identified: bytes | None = field(default=None, repr=False)  # of a regain: the key service's HMAC
    endorsement: bytes | None = field(default=None, repr=False)  # of an officer change
    reason: str = field(default="", repr=False)  # of a veto, where its officer says why; signed with it


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a case stands."""

    need: int
    approved_by: tuple[OfficerId, ...]  # distinct persons
    vetoed_by: tuple[OfficerId, ...]
    refused: tuple[tuple[UUID, VaultError], ...]  # whose decision does not count, and why
    reasons: Mapping[UUID, str] = field(default_factory=dict[UUID, str], repr=False)  # of vetoes that count

    @property
    def has_quorum(self) -> bool:
        """Enough approvals and no veto."""
        return len(self.approved_by) >= self.need and not self.vetoed_by


def check_decision(case: Case, signed: SignedDecision, manifest: Manifest, authority: Authority) -> Officer:
    """The officer whose decision this is.

    Raises ApprovalRefusedError, SelfApprovalError, NotPermittedError.
    """
    officer, auth = voice_of(manifest, signed.officer_id, signed.authenticator_id)
    try:
        verify_signature(auth, signed.signature, decision_message(case_hash(case.encode()), signed))
    except InvalidSignature:
        raise ApprovalRefusedError(
            f"the signature of {officer.name} is not over this case and decision"
        ) from None
    check_may_decide(case, officer, signed.decision, authority)
    return officer


def decision_message(digest: bytes, signed: SignedDecision) -> bytes:
    """What the signature of this decision is over; its own is not looked at."""
    who = (signed.officer_id, signed.authenticator_id)
    if signed.decision == "veto" and signed.reason:
        return reasoned_veto_message(digest, *who, signed.reason)
    return approval_message(digest, signed.decision, *who)


def voice_of(manifest: Manifest, officer_id: UUID, authenticator_id: UUID) -> tuple[Officer, Authenticator]:
    """Who speaks, and with which of their authenticators. Raises ApprovalRefusedError."""
    officer = next((each for each in manifest.officers if each.officer_id == officer_id), None)
    if officer is None:
        raise ApprovalRefusedError("not by an officer of the current manifest")
    auth = next((a for a in officer.authenticators if a.authenticator_id == authenticator_id), None)
    if auth is None:
        raise ApprovalRefusedError(f"{officer.name} has no such authenticator")
    return officer, auth


def check_may_decide(case: Case, officer: Officer, decision: Decision, authority: Authority) -> None:
    """Whether this officer's decision about this case would count, once it is signed.

    Raises SelfApprovalError, NotPermittedError.
    """
    # Here and not in the policies alone: who can write to the policies folder must not weaken this.
    if case.requester == officer.officer_id:
        raise SelfApprovalError(f"{officer.name} opened this case")
    if case.user_id is not None and case.user_id in officer.user_ids:
        raise SelfApprovalError(f"{officer.name} is the subject of this case")
    if not {"approver", "discloser"} & set(officer.roles):
        raise NotPermittedError(f"{officer.name} decides nothing")
    authority.demand(officer, "approve" if decision == "approve" else "veto", case)


def judge(
    case: Case,
    decisions: Sequence[SignedDecision],
    manifest: Manifest,
    authority: Authority,
    need: int,
    beside: Callable[[SignedDecision], None] = lambda _: None,
) -> Judgement:
    """Count what counts. `need`: see RecoveryPolicy.quorum_of; never below the case's own.

    `beside`: raises ApprovalRefusedError unless an approval also has what its kind of case needs beside a
    signature; asked only of those whose signature stands, since anybody may append rows and it may cost a
    token call.
    """
    approved: dict[OfficerId, None] = {}
    vetoed: dict[OfficerId, None] = {}
    refused: list[tuple[UUID, VaultError]] = []
    reasons: dict[UUID, str] = {}
    for signed in decisions:
        try:
            officer = OfficerId(check_decision(case, signed, manifest, authority).officer_id)
            if signed.decision == "approve" and officer not in approved:
                beside(signed)
        except (ApprovalRefusedError, NotPermittedError) as error:
            refused.append((signed.officer_id, error))
            continue
        (approved if signed.decision == "approve" else vetoed)[officer] = None
        if signed.decision == "veto":
            reasons.setdefault(officer, signed.reason)
    return Judgement(max(need, case.quorum), tuple(approved), tuple(vetoed), tuple(refused), reasons)
