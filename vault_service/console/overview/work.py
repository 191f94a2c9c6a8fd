"""The work list: the first page of the day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from vault_service.console.overview.at_a_glance import standing
from vault_service.console.services import Services
from vault_service.console.sessions import Session
from vault_service.domain.case import CaseKind, from_case_time
from vault_service.domain.errors import VaultError
from vault_service.domain.visible import visible
from vault_service.recovery.work_list import Task, Waits
from vault_service.web.view import Nothing, Reply, Shown, Visit

_ALERTS = 4  # of the most urgent; the others stand on their own page


@dataclass(frozen=True, slots=True)
class Row:
    """One case as the list shows it."""

    case_id: UUID
    waits: Waits
    error: VaultError | None = None  # of an altered one, of which nothing else is told
    kind: CaseKind | None = None
    asked_by: str | None = None  # None: the user, through an app
    reason: str = ""
    stolen: bool = False
    approved_by: tuple[str, ...] = ()
    need: int = 0
    opened_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    shares: int = 0  # that are handed in to a ceremony for it
    handed_in: bool = False  # in this officer's name


def show(visit: Visit[Services, Session, Nothing]) -> Reply:
    """What waits for whom."""
    found = standing(visit)
    names = {each.officer_id: visible(each.name) for each in found.acting.manifest.officers}
    pressing = [each for each in found.alerts if each.level != "note"][:_ALERTS]
    work = found.work
    return Shown(
        "overview/work.html",
        {
            "me": names[found.acting.officer_id],
            "mine": [row_of(task, names) for task in work.mine],
            "of_others": [row_of(task, names) for task in work.of_others],
            "running": [row_of(task, names) for task in work.running],
            "under_way": work.under_way,
            "hidden": max(0, work.under_way - len(work.tasks)),
            "threshold": found.acting.manifest.quorum.base,
            "now": work.at,
            "alerts": pressing,
            "more_alerts": len(found.alerts) - len(pressing),
        },
    )


def row_of(task: Task, names: Mapping[UUID, str]) -> Row:
    """What of a case is in a list; read from the bytes that are signed."""
    if task.shown is None:
        return Row(task.case_id, task.waits, task.error)
    case, judgement = task.shown.case, task.shown.judgement
    return Row(
        task.case_id,
        task.waits,
        None,
        case.kind,
        None if case.requester is None else names.get(case.requester, str(case.requester)),
        visible(case.reason),
        case.stolen,
        tuple(names.get(each, str(each)) for each in judgement.approved_by),
        judgement.need,
        from_case_time(case.opened_at),
        from_case_time(case.not_before),
        from_case_time(case.expires_at),
        max((len(each.handed_in) for each in task.gatherings), default=0),
        task.said_handed_in,
    )
