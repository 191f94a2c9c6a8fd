"""Do enough officers agree: judged from the stored signatures by the manifest and policies of this moment.

Rows of approvals are written by officers' processes, or by whoever can write there; each counts by its
signature (crypto/approvals.py). Two kinds of case demand more of an approval:

- regain: the key service's own word that this officer typed the subject's login and the case's phrase;
- officer change: the same authenticator's signature over the proposed manifest.

A veto counts without either.
"""

import hashlib
from collections.abc import Callable

from vault_service.crypto.approvals import Judgement, SignedDecision, judge
from vault_service.crypto.manifest_chain import Endorsement, endorsers
from vault_service.domain.case import Case
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseRefusedError,
    QuorumNotMetError,
)
from vault_service.kms.cases.book import identified_check
from vault_service.kms.service import KeyService
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.proposed_manifests import find_proposed


def judge_case(service: KeyService, case: Case) -> Judgement:
    """How a believed case stands now. Raises CaseRefusedError for a proposed manifest that was swapped."""
    with service.db.connection() as conn:
        rows = list_approvals(conn, CaseId(case.case_id))
        proposed = find_proposed(conn, CaseId(case.case_id)) if case.kind == "officer-change" else None
    manifest = service.manifests.fresh()  # an officer who was removed meanwhile has no voice
    decisions = [row.signed for row in rows]
    need, authority = service.policies.recovery.quorum_for(case, manifest.quorum), service.policies.authority
    if case.kind == "regain":
        return judge(case, decisions, manifest, authority, need, identified_check(service, case))
    if case.kind == "officer-change":
        endorsed = _endorsed_check(case, manifest, proposed)
        return judge(case, decisions, manifest, authority, need, endorsed)
    return judge(case, decisions, manifest, authority, need)


def demand_quorum(service: KeyService, case: Case) -> Judgement:
    """Raises CaseClosedError for a veto, QuorumNotMetError, CaseRefusedError."""
    judgement = judge_case(service, case)
    if judgement.vetoed_by:
        raise CaseClosedError("an officer has vetoed the case")
    if not judgement.has_quorum:
        raise QuorumNotMetError(have=len(judgement.approved_by), need=judgement.need)
    return judgement


def _endorsed_check(
    case: Case, manifest: Manifest, proposed: bytes | None
) -> Callable[[SignedDecision], None]:
    if proposed is None or hashlib.sha256(proposed).hexdigest() != case.scope.manifest:
        raise CaseRefusedError("the proposed manifest is not the one that the case names")

    def check(signed: SignedDecision) -> None:
        endorsement = Endorsement(
            signed.officer_id, signed.authenticator_id, (signed.endorsement or b"").hex()
        )
        if not endorsers(manifest, proposed, (endorsement,)):
            raise ApprovalRefusedError("it does not endorse the proposed manifest")

    return check
