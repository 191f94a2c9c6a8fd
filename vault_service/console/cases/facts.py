"""A case as its page shows it: read from the very bytes that are signed, nothing looked up beside them.

Texts from outside come through `visible`: characters that hide or move others are shown as what they are.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from vault_service.domain.case import CaseKind, from_case_time
from vault_service.domain.errors import VaultError
from vault_service.domain.manifest import Manifest, parse_manifest
from vault_service.domain.manifest_difference import difference
from vault_service.domain.visible import visible
from vault_service.recovery.cases import ShownCase

Stage = Literal[
    "approve",  # officers have to
    "wait",  # it is not due yet
    "ceremony",  # one has to begin
    "shares",  # one waits for shares
    "executing", "executed", "cancelled", "vetoed", "expired",
]  # fmt: skip
_ENDED: frozenset[Stage] = frozenset({"executed", "cancelled", "vetoed", "expired"})


@dataclass(frozen=True, slots=True)
class Voice:
    """What one officer signed."""

    name: str
    decision: Literal["approve", "veto"]
    at: datetime | None  # as the table says; the signature does not cover it
    error: VaultError | None = None  # why it does not count
    reason: str = ""  # of a veto


@dataclass(frozen=True, slots=True)
class Change:
    """What an officer change would make other than it is."""

    serial: int
    present: int  # the newest manifest's serial
    lines: tuple[str, ...]

    @property
    def is_late(self) -> bool:
        """Another change was carried out first."""
        return self.serial != self.present + 1


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """Everything that the page says of a case."""

    case_id: UUID
    kind: CaseKind
    stage: Stage
    asked_by: str | None  # None: the user, through an app
    reason: str
    user_id: UUID | None
    stolen: bool
    recipient: str | None
    collections: tuple[tuple[str, tuple[str, ...]], ...]
    sample: int | None
    escrow_gen: int
    opened_at: datetime
    due_at: datetime
    expires_at: datetime
    need: int
    approvals: int
    voices: tuple[Voice, ...]
    result: str | None  # hex
    change: Change | None
    canonical: str
    digest: str  # hex

    @property
    def has_ended(self) -> bool:
        """Nothing more becomes of it."""
        return self.stage in _ENDED

    @property
    def waits(self) -> timedelta:
        """The waiting period."""
        return self.due_at - self.opened_at

    @property
    def missing(self) -> int:
        """How many officers have to approve yet."""
        return max(0, self.need - self.approvals)


def facts_of(shown: ShownCase, manifest: Manifest, now: datetime) -> CaseFacts:
    """`manifest`: the newest that is believed."""
    case, judgement = shown.case, shown.judgement
    names = {each.officer_id: visible(each.name) for each in manifest.officers}
    return CaseFacts(
        case_id=case.case_id,
        kind=case.kind,
        stage=stage_of(shown, now),
        asked_by=None if case.requester is None else names.get(case.requester, str(case.requester)),
        reason=visible(case.reason),
        user_id=case.user_id,
        stolen=case.stolen,
        recipient=case.recipient,
        collections=tuple(
            (visible(part.collection), tuple(map(visible, part.fields))) for part in case.scope.collections
        ),
        sample=case.scope.sample,
        escrow_gen=case.escrow_gen,
        opened_at=from_case_time(case.opened_at),
        due_at=from_case_time(case.not_before),
        expires_at=from_case_time(case.expires_at),
        need=judgement.need,
        approvals=len(judgement.approved_by),
        voices=_voices(shown, names),
        result=None if shown.result is None else shown.result.hex(),
        change=_change(shown, manifest),
        canonical=visible(shown.body.decode()),
        digest=shown.digest.hex(),
    )


def stage_of(shown: ShownCase, now: datetime) -> Stage:
    """What has to happen now, or how it ended."""
    if shown.state != "open":
        return shown.state
    if now >= from_case_time(shown.case.expires_at):
        return "expired"
    if shown.judgement.vetoed_by:
        return "vetoed"
    if not shown.judgement.has_quorum:
        return "approve"
    if not shown.is_due(now):
        return "wait"
    return "shares" if shown.ceremonies else "ceremony"


def _voices(shown: ShownCase, names: dict[UUID, str]) -> tuple[Voice, ...]:
    at = {
        (signed.officer_id, signed.decision): when
        for signed, when in reversed(list(zip(shown.decisions, shown.decided_at, strict=True)))
    }
    judgement = shown.judgement

    def name(officer: UUID) -> str:
        return names.get(officer, str(officer))

    return (
        *(Voice(name(who), "approve", at.get((who, "approve"))) for who in judgement.approved_by),
        *(
            Voice(name(who), "veto", at.get((who, "veto")), reason=visible(judgement.reasons.get(who, "")))
            for who in judgement.vetoed_by
        ),
        *(Voice(name(who), "approve", None, error) for who, error in judgement.refused),
    )


def _change(shown: ShownCase, manifest: Manifest) -> Change | None:
    if shown.proposed is None or shown.case.kind != "officer-change":
        return None
    proposed = parse_manifest(shown.proposed)
    change = Change(proposed.serial, manifest.serial, ())
    if change.is_late:
        return change
    lines = tuple(map(visible, difference(manifest, proposed)))
    return Change(proposed.serial, manifest.serial, lines)
