"""Do enough officers agree: judged from the stored signatures by the manifest and policies of this moment.

Rows of approvals are written by officers' processes, or by whoever can write there; each counts by its
signature (crypto/approvals.py). Two kinds of case demand more of an approval:

- regain: the key service's own word that this officer typed the subject's login and the case's phrase;
- officer change: the same authenticator's signature over the proposed manifest.

A veto counts without either.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.crypto.approvals import Judgement, SignedDecision, judge
from vault_service.domain.case import Case, case_hash, identified_input
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import Manifest, manifest_signing_input
from vault_service.domain.recovery_errors import CaseClosedError, CaseRefusedError, QuorumNotMetError
from vault_service.kms.service import KeyService
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.proposals import find_proposed_manifest


def judge_case(service: KeyService, case: Case) -> Judgement:
    """How a believed case stands now. Raises CaseRefusedError for a proposed manifest that was swapped."""
    with service.db.connection() as conn:
        rows = list_approvals(conn, CaseId(case.case_id))
        proposed = (
            find_proposed_manifest(conn, CaseId(case.case_id)) if case.kind == "officer-change" else None
        )
    manifest = service.manifests.fresh()  # an officer may have been removed through another host
    if case.kind == "officer-change":
        _check_proposed(case, proposed)
    counting = [row.signed for row in rows if _counts(service, case, row.signed, manifest, proposed)]
    need = service.policies.recovery.quorum_for(case, manifest.quorum)
    return judge(case, counting, manifest, service.policies.authority, need)


def demand_quorum(service: KeyService, case: Case) -> Judgement:
    """Raises CaseClosedError for a veto, QuorumNotMetError, CaseRefusedError."""
    judgement = judge_case(service, case)
    if judgement.vetoed_by:
        raise CaseClosedError("an officer has vetoed the case")
    if not judgement.has_quorum:
        raise QuorumNotMetError(have=len(judgement.approved_by), need=judgement.need)
    return judgement


def identified_mac(service: KeyService, case: Case, signed: SignedDecision) -> bool:
    """Whether this key service saw the officer type login and phrase; by any generation of the case key."""
    if signed.identified is None:
        return False
    message = identified_input(case_hash(case.encode()), signed.officer_id)
    keys = service.manifests.current().keys.case
    return any(
        hmac.compare_digest(service.keyring.case_mac(key.gen, message), signed.identified)
        for key in sorted(keys, key=lambda key: -key.gen)
        if key.state != "destroyed"
    )


def _counts(
    service: KeyService, case: Case, signed: SignedDecision, manifest: Manifest, proposed: bytes | None
) -> bool:
    if signed.decision == "veto":
        return True
    if case.kind == "regain":
        return identified_mac(service, case, signed)
    if case.kind == "officer-change":
        return proposed is not None and _endorses(signed, manifest, proposed)
    return True


def _endorses(signed: SignedDecision, manifest: Manifest, proposed: bytes) -> bool:
    key = next(
        (
            auth.public_key
            for officer in manifest.officers
            if officer.officer_id == signed.officer_id
            for auth in officer.authenticators
            if auth.authenticator_id == signed.authenticator_id
        ),
        None,
    )
    if key is None or signed.endorsement is None:
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(signed.endorsement, manifest_signing_input(proposed))
    except (InvalidSignature, ValueError):
        return False
    return True


def _check_proposed(case: Case, proposed: bytes | None) -> None:
    if proposed is None or hashlib.sha256(proposed).hexdigest() != case.scope.manifest:
        raise CaseRefusedError("the proposed manifest is not the one that the case names")
