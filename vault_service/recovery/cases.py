"""Cases as an officer sees them: what is shown is parsed from the very bytes that are signed."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from cryptography.exceptions import InvalidSignature

from vault_service.crypto.approvals import Judgement, SignedDecision, judge
from vault_service.crypto.officer_signature import verify_signature
from vault_service.domain.case import Case, case_hash, from_case_time, parse_case
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import InvalidInputError, ManifestError, VaultError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.manifest import Manifest, manifest_hash, manifest_signing_input, parse_manifest
from vault_service.domain.recovery_errors import (
    ApprovalRefusedError,
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
    NoteRefusedError,
)
from vault_service.recovery.notes import verify_note
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.approvals import ApprovalRow, list_approvals
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.cases import CaseRow, find_case, list_cases
from vault_service.storage.keys.ceremonies import CeremonyRow, open_ceremonies
from vault_service.storage.keys.proposed_manifests import find_proposed

A_PAGE = 50  # cases


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
    result: bytes | None = None  # SHA-256 of what a ceremony left: of a disclosure, its manifest
    ceremonies: tuple[CeremonyId, ...] = ()  # that wait for shares, and may be trusted with one
    decided_at: tuple[datetime, ...] = ()  # of each decision, as its row says: no signature covers it

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


def read_case(parts: RecoveryParts, trusted: Chain, case: CaseId) -> ShownCase:
    """One case as it is now. Raises CaseNotFoundError, CaseRefusedError when its row was altered.

    A case about a login that nobody has is shown like any other: an officer who could tell would tell the
    person who asked.
    """
    with parts.db.connection() as conn:
        row = find_case(conn, case)
        if row is None:
            raise CaseNotFoundError
        found = list_approvals(conn, case)
        proposed = find_proposed(conn, case)
        waiting = open_ceremonies(conn, parts.now()) if row.state == "open" else ()
    shown = show_row(parts, trusted, row, found, proposed)
    return replace(shown, ceremonies=_trusted_ceremonies(parts, trusted, case, waiting))


def _trusted_ceremonies(
    parts: RecoveryParts, trusted: Chain, case: CaseId, rows: Sequence[CeremonyRow]
) -> tuple[CeremonyId, ...]:
    """Those that are for this case; a note that is not to be trusted is none."""
    found: list[CeremonyId] = []
    for row in rows:
        try:
            note = verify_note(parts, trusted, row).note
        except NoteRefusedError:
            continue
        if any(noted.case_id == case for noted in note.cases):
            found.append(row.ceremony)
    return tuple(found)


def list_all(parts: RecoveryParts, trusted: Chain, *, closed_too: bool = False) -> tuple[Listed, ...]:
    """Newest first, the last 500. One altered row hides no other case."""
    with parts.db.connection() as conn:
        rows = list_cases(conn, under_way=not closed_too)
    return _listed(parts, trusted, rows)


def list_page(
    parts: RecoveryParts, trusted: Chain, *, closed_too: bool, cursor: str = ""
) -> tuple[tuple[Listed, ...], str]:
    """A page of the same list, and the cursor of the page after; "" where there is none.

    Every case is judged by its signatures each time it is shown, so a page is no longer than people read.
    Raises InvalidInputError for a cursor that no page gave.
    """
    after = _place(cursor) if cursor else None
    with parts.db.connection() as conn:
        rows = list_cases(conn, under_way=not closed_too, limit=A_PAGE + 1, after=after)
    page = rows[:A_PAGE]
    more = f"{page[-1].opened_at.isoformat()}_{page[-1].case}" if len(rows) > A_PAGE else ""
    return _listed(parts, trusted, page), more


def _place(cursor: str) -> tuple[datetime, UUID]:
    at, _, case = cursor.partition("_")
    try:
        moment, last = datetime.fromisoformat(at), UUID(case)
    except ValueError:
        raise InvalidInputError("page", "not one that a page gave") from None
    if moment.tzinfo is None:
        raise InvalidInputError("page", "not one that a page gave")
    return moment, last


def _listed(parts: RecoveryParts, trusted: Chain, rows: Sequence[CaseRow]) -> tuple[Listed, ...]:
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
    parts: RecoveryParts,
    trusted: Chain,
    case: Case,
    decisions: tuple[SignedDecision, ...],
    proposed: bytes | None,
) -> Judgement:
    """How it stands by the signatures; the key service and the ceremony judge again by themselves."""
    whole: list[SignedDecision] = []
    halves: list[tuple[UUID, VaultError]] = []
    for signed in decisions:
        try:
            demand_whole(case, signed, trusted.newest, proposed)
        except ApprovalRefusedError as error:
            halves.append((signed.officer_id, error))
        else:
            whole.append(signed)
    need = parts.rules.quorum_for(case, trusted.newest.quorum)
    judgement = judge(case, whole, trusted.newest, parts.authority, need)
    return dataclasses.replace(judgement, refused=(*judgement.refused, *halves))


def demand_whole(case: Case, signed: SignedDecision, manifest: Manifest, proposed: bytes | None) -> None:
    """What stands beside an approval's signature: peeling demands it too. Raises ApprovalRefusedError.

    Of a regain, whether the key service's word is genuine is for the key service to say.
    """
    if signed.decision == "veto":
        return
    if case.kind == "regain" and signed.identified is None:
        raise ApprovalRefusedError("the key service has not seen this officer identify the person")
    if case.kind == "officer-change" and not (proposed and _endorses(signed, manifest, proposed)):
        raise ApprovalRefusedError("it does not endorse the proposed manifest")


def _endorses(signed: SignedDecision, manifest: Manifest, proposed: bytes) -> bool:
    for officer in manifest.officers:
        for auth in officer.authenticators:
            if (officer.officer_id, auth.authenticator_id) != (signed.officer_id, signed.authenticator_id):
                continue
            try:
                verify_signature(auth, signed.endorsement or b"", manifest_signing_input(proposed))
            except InvalidSignature:
                return False
            return True
    return False


def show_row(
    parts: RecoveryParts,
    trusted: Chain,
    row: CaseRow,
    found: Sequence[ApprovalRow],
    proposed: bytes | None,
) -> ShownCase:
    """A row as a case, without the ceremonies that wait. Raises CaseRefusedError when it was altered."""
    case = parse_case(row.body)
    _check_row(row, case)
    if not trusted.holds(case.manifest_serial, case.manifest_hash):
        raise CaseRefusedError("the case names a manifest that is not in the chain")
    if case.kind == "officer-change":
        _check_proposed(case, proposed)
    body = case.encode()
    decisions, at = tuple(each.signed for each in found), tuple(each.at for each in found)
    judgement = judged(parts, trusted, case, decisions, proposed)
    return ShownCase(
        case, body, case_hash(body), row.state, decisions, proposed, judgement, row.result, decided_at=at
    )


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
