"""Cases as an officer sees them: what is shown is parsed from the very bytes that are signed."""

from dataclasses import dataclass, field
from datetime import datetime

from vault_service.crypto.approvals import Judgement, SignedDecision, judge
from vault_service.domain.case import Case, case_hash, from_case_time, parse_case
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import ManifestError, VaultError
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import manifest_hash, parse_manifest
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
)
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.trust import Trusted
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.cases import CaseRow, find_case, list_cases
from vault_service.storage.keys.proposed_manifests import find_proposed


@dataclass(frozen=True, slots=True)
class ShownCase:
    """One case with all that officers signed about it."""

    case: Case
    body: bytes = field(repr=False)  # canonical: what is shown, hashed and signed
    digest: bytes
    state: CaseState
    decisions: tuple[SignedDecision, ...] = field(repr=False)
    proposed: bytes | None = field(repr=False)  # of an officer change: the manifest that it proposes
    judgement: Judgement

    @property
    def case_id(self) -> CaseId:
        """Its id."""
        return CaseId(self.case.case_id)

    def is_due(self, now: datetime) -> bool:
        """By this host's clock; the key service measures the waiting period by more than one."""
        return now >= from_case_time(self.case.not_before)


@dataclass(frozen=True, slots=True)
class Listed:
    """A case in a list; without `shown`, its row was altered, and `error` says so."""

    case_id: CaseId
    shown: ShownCase | None
    error: VaultError | None = None


def read_case(parts: RecoveryParts, trusted: Trusted, case: CaseId) -> ShownCase:
    """One case as it is now. Raises CaseNotFoundError, CaseRefusedError when its row was altered.

    A case about a login that nobody has is shown like any other: an officer who could tell would tell the
    person who asked.
    """
    with parts.db.connection() as conn:
        row = find_case(conn, case)
        if row is None:
            raise CaseNotFoundError
        decisions = tuple(found.signed for found in list_approvals(conn, case))
        proposed = find_proposed(conn, case)
    return _shown(parts, trusted, row, decisions, proposed)


def list_all(parts: RecoveryParts, trusted: Trusted, *, closed_too: bool = False) -> tuple[Listed, ...]:
    """Newest first. One altered row hides no other case."""
    with parts.db.connection() as conn:
        rows = list_cases(conn, under_way=not closed_too)
    listed: list[Listed] = []
    for row in rows:
        try:
            listed.append(Listed(row.case, read_case(parts, trusted, row.case)))
        except CaseNotFoundError:
            continue  # gone since
        except CaseRefusedError as error:
            listed.append(Listed(row.case, None, error))
    return tuple(listed)


def demand_open(parts: RecoveryParts, shown: ShownCase) -> None:
    """Whether it can still be decided. Raises CaseClosedError."""
    if shown.state != "open":
        raise CaseClosedError(f"the case is {shown.state}")
    if parts.now() >= from_case_time(shown.case.expires_at):
        raise CaseClosedError("the case has expired")


def judged(
    parts: RecoveryParts, trusted: Trusted, case: Case, decisions: tuple[SignedDecision, ...]
) -> Judgement:
    """How it stands by the signatures; the key service and the ceremony judge again by themselves."""
    need = parts.rules.quorum_for(case, trusted.manifest.quorum)
    whole = tuple(signed for signed in decisions if _is_whole(case, signed))
    judgement = judge(case, whole, trusted.manifest, parts.authority, need)
    halves = tuple(
        (signed.officer_id, ApprovalRefusedError("it lacks what belongs to an approval of this kind"))
        for signed in decisions
        if not _is_whole(case, signed)
    )
    return Judgement(
        judgement.need, judgement.approved_by, judgement.vetoed_by, (*judgement.refused, *halves)
    )


def _is_whole(case: Case, signed: SignedDecision) -> bool:
    """What stands beside the signature: peeling demands it, and checks what only the key service can."""
    if signed.decision == "veto":
        return True
    demanded = {"regain": signed.identified, "officer-change": signed.endorsement}
    return demanded.get(case.kind, b"") is not None


def _shown(
    parts: RecoveryParts,
    trusted: Trusted,
    row: CaseRow,
    decisions: tuple[SignedDecision, ...],
    proposed: bytes | None,
) -> ShownCase:
    case = parse_case(row.body)
    _check_row(row, case)
    if trusted.hashes.get(case.manifest_serial) != case.manifest_hash:
        raise CaseRefusedError("the case names a manifest that is not in the chain")
    if case.kind == "officer-change":
        _check_proposed(case, proposed)
    body = case.encode()
    judgement = judged(parts, trusted, case, decisions)
    return ShownCase(case, body, case_hash(body), row.state, decisions, proposed, judgement)


def _check_row(row: CaseRow, case: Case) -> None:
    """Columns are for finding a case; one that says otherwise than the case was altered."""
    columns = (row.case, row.kind, row.user, row.opened_at, row.not_before, row.expires_at)
    said = (
        case.case_id, case.kind, case.user_id,
        *map(from_case_time, (case.opened_at, case.not_before, case.expires_at)),
    )  # fmt: skip
    if columns != said:
        raise CaseRefusedError("a stored case's columns say otherwise than the case")


def _check_proposed(case: Case, proposed: bytes | None) -> None:
    """The manifest that is shown must be the one that the case names."""
    if proposed is None or manifest_hash(proposed).hex() != case.scope.manifest:
        raise CaseRefusedError("the proposed manifest is not the one that the case names")
    try:
        parse_manifest(proposed)
    except ManifestError as error:
        raise CaseRefusedError(f"the proposed manifest cannot be one: {error.detail}") from error
