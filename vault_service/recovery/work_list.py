"""The work list: what waits for this officer, what waits for others, what waits for time alone.

One place for each case under way, by the first of these that fits:

    altered     its row is not the case that was opened: for everybody to look at, and to tell
    executing   a ceremony is at work on it
    release     a ceremony that may be trusted waits for this officer's share
    decide      not enough officers have approved, this one may, and has not
    others      not enough officers have approved; it is other people's turn
    time        enough have approved, and its waiting period runs
    ceremony    enough have approved and it is due: the next ceremony takes it, or other officers' shares
                are missing

Nothing here decides anything: whoever acts is asked again by the use case of what they do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from vault_service.crypto.approvals import check_may_decide
from vault_service.domain.alerts import Alert
from vault_service.domain.case import Case, from_case_time
from vault_service.domain.errors import VaultError
from vault_service.domain.ids import CaseId, CeremonyId
from vault_service.domain.manifest import Officer
from vault_service.domain.recovery_errors import (
    CaseRefusedError,
    NoteRefusedError,
    NotPermittedError,
    SelfApprovalError,
)
from vault_service.policy.authority import Authority
from vault_service.recovery.cases import ShownCase, show_row
from vault_service.recovery.notes import verify_note
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.believed_chain import Chain
from vault_service.storage.keys.cases import CaseRow
from vault_service.storage.keys.ceremonies import open_ceremonies
from vault_service.storage.keys.notices import cases_state
from vault_service.storage.keys.proposed_manifests import find_proposed
from vault_service.storage.keys.work import handed_in, most_urgent

Waits = Literal["altered", "executing", "release", "decide", "others", "time", "ceremony"]
MINE: frozenset[Waits] = frozenset({"altered", "release", "decide"})
MOST = 100  # cases of either sort on the page


@dataclass(frozen=True, slots=True)
class Gathering:
    """A ceremony that waits for shares, whose note was verified."""

    ceremony: CeremonyId
    cases: tuple[CaseId, ...]
    pin_gens: tuple[int, ...]
    handed_in: Mapping[UUID, datetime]  # officers, as the rows say
    until: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """One case, and what it waits for."""

    case_id: CaseId
    waits: Waits
    shown: ShownCase | None  # None: altered
    error: VaultError | None = None
    gatherings: tuple[Gathering, ...] = ()
    said_handed_in: bool = False  # a share is there in this officer's name; who did not do it tells everybody

    @property
    def is_mine(self) -> bool:
        """Whether it waits for the officer who looks."""
        return self.waits in MINE

    @property
    def expires_at(self) -> datetime | None:
        """When it ends undecided."""
        return from_case_time(self.shown.case.expires_at) if self.shown else None


@dataclass(frozen=True, slots=True)
class WorkList:
    """Everything under way, the most urgent first."""

    tasks: tuple[Task, ...]
    gatherings: tuple[Gathering, ...]
    under_way: int  # cases; more than there are tasks: the page shows the most urgent only
    at: datetime = field(compare=False)

    @property
    def mine(self) -> tuple[Task, ...]:
        """What waits for the officer who looks."""
        return tuple(each for each in self.tasks if each.is_mine)

    @property
    def of_others(self) -> tuple[Task, ...]:
        """What other people are to do."""
        return tuple(each for each in self.tasks if each.waits == "others")

    @property
    def running(self) -> tuple[Task, ...]:
        """What nobody has to decide any more."""
        return tuple(each for each in self.tasks if each.waits in {"time", "ceremony", "executing"})


def work_list(parts: RecoveryParts, trusted: Chain, officer: Officer, *, most: int = MOST) -> WorkList:
    """As it is now. Raises UnavailableError."""
    now = parts.now()
    with parts.db.connection() as conn:
        rows = tuple(
            each for regains in (False, True) for each in most_urgent(conn, regains=regains, limit=most)
        )
        count = sum(cases_state(conn).under_way.values())
    gatherings = all_gatherings(parts, trusted)
    tasks = tuple(_task(parts, trusted, officer, row, gatherings, now) for row in rows)
    order = {"altered": 0, "release": 1, "decide": 2}
    return WorkList(
        tuple(sorted(tasks, key=lambda each: order.get(each.waits, 3))),  # stable: urgent ones stay first
        gatherings, count, now,
    )  # fmt: skip


def case_alerts(work: WorkList, threshold: int, expires_s: float) -> Iterable[Alert]:
    """What is about to end undecided, and what was altered. `threshold`: shares that a ceremony needs."""
    soon = work.at + timedelta(seconds=expires_s)
    for task in work.tasks:
        if task.waits == "altered":
            yield Alert("case-altered", "now", case=task.case_id)
        elif task.waits in {"decide", "others"} and task.expires_at is not None and task.expires_at < soon:
            kind = task.shown.case.kind if task.shown else ""
            yield Alert("case-expires", "soon", kind, at=task.expires_at, case=task.case_id)
    for each in work.gatherings:
        if len(each.handed_in) < threshold:
            yield Alert("share-awaited", "soon", n=len(each.handed_in), of=threshold, at=each.until)


def all_gatherings(parts: RecoveryParts, trusted: Chain) -> tuple[Gathering, ...]:
    """Each ceremony that waits for shares and may be trusted with one; each note is verified once."""
    with parts.db.connection() as conn:
        rows = open_ceremonies(conn, parts.now())
        shares = handed_in(conn, [row.ceremony for row in rows])
    found: list[Gathering] = []
    for row in rows:
        try:
            note = verify_note(parts, trusted, row).note
        except (NoteRefusedError, CaseRefusedError):
            continue  # whoever can write to the table can put a note there; nobody is to release to it
        cases = tuple(CaseId(noted.case_id) for noted in note.cases)
        found.append(Gathering(row.ceremony, cases, note.pin_gens, shares[row.ceremony], row.expires_at))
    return tuple(found)


def may_decide(officer: Officer, case: Case, authority: Authority) -> bool:
    """Whether an approval of theirs would count, as far as anybody can tell before it is signed."""
    try:
        check_may_decide(case, officer, "approve", authority)
    except (NotPermittedError, SelfApprovalError):
        return False
    return True


def _task(
    parts: RecoveryParts, trusted: Chain, officer: Officer, row: CaseRow,
    gatherings: tuple[Gathering, ...], now: datetime,
) -> Task:  # fmt: skip
    with parts.db.connection() as conn:
        found = list_approvals(conn, row.case)
        proposed = find_proposed(conn, row.case) if row.kind == "officer-change" else None
    try:
        shown = show_row(parts, trusted, row, found, proposed)
    except CaseRefusedError as error:
        return Task(row.case, "altered", None, error)
    own = tuple(each for each in gatherings if row.case in each.cases)
    shown = replace(shown, ceremonies=tuple(each.ceremony for each in own))
    said = any(officer.officer_id in each.handed_in for each in own)
    return Task(row.case, _waits(parts, officer, shown, own, now), shown, None, own, said)


def _waits(
    parts: RecoveryParts, officer: Officer, shown: ShownCase, own: tuple[Gathering, ...], now: datetime
) -> Waits:
    if shown.state == "executing":
        return "executing"
    approved = officer.officer_id in shown.judgement.approved_by
    enough = shown.judgement.has_quorum
    holds = {"approver", "discloser"} & set(officer.roles)
    if holds and (approved or enough) and any(officer.officer_id not in each.handed_in for each in own):
        return "release"
    if not enough:
        return "decide" if not approved and may_decide(officer, shown.case, parts.authority) else "others"
    return "ceremony" if shown.is_due(now) else "time"
