"""What a ceremony believes: nothing that it has not verified by itself.

The key service has verified the same before it signs a note and before it peels. But whoever has taken the
key service over could hand out any wrap for any case; here he meets the officers' signatures once more, in
another process, on another host, with a fingerprint and policies of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from vault_service.crypto.approvals import Judgement, SignedDecision, judge
from vault_service.crypto.note_signature import check_note_signature
from vault_service.domain.case import Case, case_hash, from_case_time, parse_case
from vault_service.domain.ceremony_note import CeremonyNote, parse_note
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import Manifest
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseRefusedError,
    ManifestNotSeenError,
    NotDueError,
    NoteRefusedError,
    QuorumNotMetError,
)
from vault_service.kms.protocol.recovery_messages import CeremonyOpened, OpenCeremony, PeeledWrap
from vault_service.policy.rules import Policies
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.cases import CaseRow


@dataclass(frozen=True, slots=True)
class BelievedCase:
    """A case as officers signed it, and how its row stands at the moment."""

    case: Case
    digest: bytes
    row: CaseRow = field(repr=False)


def believe_case(row: CaseRow, chain: Chain) -> BelievedCase:
    """The case in its canonical bytes, of a manifest in our chain.

    Raises CaseRefusedError, ManifestNotSeenError: signed since the chain was read, or made up.
    """
    case = parse_case(row.body)
    if case.case_id != row.case or case.kind != row.kind:
        raise CaseRefusedError("the columns beside a case say something else")
    if case.manifest_serial > chain.newest.serial:
        raise ManifestNotSeenError(f"a case names manifest {case.manifest_serial}, of after this look")
    if not chain.holds(case.manifest_serial, case.manifest_hash):
        raise CaseRefusedError(f"a case names a manifest {case.manifest_serial} that is not in the chain")
    return BelievedCase(case, case_hash(row.body), row)


def demand_due(believed: BelievedCase, policies: Policies, now: datetime) -> None:
    """By this host's clock and by the ticks that were counted, as the case and as the policy says today.

    Raises NotDueError, CaseClosedError.
    """
    case = believed.case
    opened, expires = from_case_time(case.opened_at), from_case_time(case.expires_at)
    own = from_case_time(case.not_before) - opened
    wait = max(own, timedelta(seconds=policies.recovery.waiting_of(case.kind)))
    if now >= expires:
        raise CaseClosedError("the case has expired")
    if now < opened + wait or believed.row.waited_s < wait.total_seconds():
        raise NotDueError("the waiting period is not over")


def judge_believed(
    believed: BelievedCase, decisions: Sequence[SignedDecision], manifest: Manifest, policies: Policies
) -> Judgement:
    """How many live officers of the newest manifest have signed this very case, and who a veto.

    Whether an approver of a regain identified the person is told by an HMAC that the key service alone can
    check; here only that there is one.
    """
    case = believed.case
    if case.kind == "regain":
        decisions = [each for each in decisions if each.decision == "veto" or each.identified is not None]
    need = policies.recovery.quorum_for(case, manifest.quorum)
    return judge(case, decisions, manifest, policies.authority, need)


def demand_quorum(
    believed: BelievedCase, decisions: Sequence[SignedDecision], manifest: Manifest, policies: Policies
) -> None:
    """Enough officers agree, and nobody objects. Raises QuorumNotMetError, CaseClosedError."""
    judgement = judge_believed(believed, decisions, manifest, policies)
    if judgement.vetoed_by:
        raise CaseClosedError("an officer has vetoed the case")
    if not judgement.has_quorum:
        raise QuorumNotMetError(have=len(judgement.approved_by), need=judgement.need)


def believe_note(
    opened: CeremonyOpened,
    asked: OpenCeremony,
    cases: Mapping[CaseId, BelievedCase],
    manifest: Manifest,
    now: datetime,
) -> CeremonyNote:
    """The note, signed with the manifest's note key over what was asked for. Raises NoteRefusedError."""
    note = parse_note(opened.note)
    check_note_signature(opened.note, opened.signature, manifest)
    asked_for = (asked.ephemeral_pk.hex(), asked.pin_gens, asked.token_serial)
    if (note.ephemeral_pk, note.pin_gens, note.token_serial) != asked_for:
        raise NoteRefusedError("the note is for another key, PIN or token than this ceremony's")
    for noted in note.cases:
        believed = cases.get(CaseId(noted.case_id))
        if believed is None or believed.digest.hex() != noted.case_hash:
            raise NoteRefusedError("the note lists a case that this ceremony does not know so")
    if now >= from_case_time(note.expires_at):
        raise NoteRefusedError("the note has expired")
    return note


def demand_subject(believed: BelievedCase, peeled: PeeledWrap) -> None:
    """Whose wrap it says it is must be what the officers signed. Raises CaseRefusedError.

    What it says is bound into the wrap: another user's wrap under these ids does not open. Since the case
    was opened the wrap may have been sealed to a newer escrow key.
    """
    case = believed.case
    signed: tuple[UUID | None, ...] = (case.tenant, case.user_id, case.dek_id)
    if (peeled.tenant, peeled.user_id, peeled.dek_id) != signed or peeled.escrow_gen < case.escrow_gen:
        raise CaseRefusedError("the key service handed out another wrap than the case is about")
    if case.epoch is None or peeled.epoch != case.epoch + 1:
        raise CaseRefusedError("the subject's password has changed since the case was opened")
