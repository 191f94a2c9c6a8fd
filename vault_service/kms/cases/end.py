"""How a case ends without a ceremony: the move, its event and who is told, in one transaction."""

from datetime import datetime
from typing import Literal

from vault_service.domain.case import case_hash
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, OfficerId, UserId
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, expired_cases, move_case, open_cases_of
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.notifications import insert_notifications
from vault_service.storage.keys.regains import delete_regain_key
from vault_service.storage.pool import Conn

End = Literal["cancelled", "vetoed", "expired"]
_EVENTS: dict[End, KeysEvent] = {
    "cancelled": KeysEvent.CASE_CANCELLED,
    "vetoed": KeysEvent.CASE_VETOED,
    "expired": KeysEvent.CASE_EXPIRED,
}
_BATCH = 100  # cases a transaction


def subject_of(row: CaseRow) -> UserId:
    """Whom an event about the case is about; of a decoy, and of a case without a subject, nobody."""
    return NOBODY if row.user is None or row.decoy else row.user


def end_case(
    service: KeyService,
    conn: Conn,
    row: CaseRow,
    end: End,
    now: datetime,
    *,
    officer: OfficerId | None = None,
) -> bool:
    """Within the caller's transaction. False when the case is not open any more: then nothing is done."""
    if not move_case(conn, row.case, "open", end, now):
        return False
    insert_event(
        conn, _EVENTS[end], now, user=subject_of(row), case=row.case, officer=officer,
        digest=case_hash(row.body),
    )  # fmt: skip
    delete_regain_key(conn, row.case)
    notify(service, conn, row, end, now)
    return True


def end_open_cases_of(service: KeyService, conn: Conn, user: UserId, now: datetime) -> None:
    """What else is asked for about somebody whose wraps were replaced or destroyed is void."""
    for row in open_cases_of(conn, user):
        end_case(service, conn, row, "cancelled", now)


def notify(
    service: KeyService, conn: Conn, row: CaseRow, what: Literal[End, "opened", "executed"], now: datetime
) -> None:
    """Have the app and the officers told, as often as the policy allows."""
    every_s = service.policies.recovery.limits.notify_officers_every_s
    insert_notifications(conn, row, what, now, officers_every_s=every_s)


def expire_cases(service: KeyService) -> int:
    """End what nobody decided in time, decoys too; returns how many. Run every few seconds.

    Raises UnavailableError.
    """
    ended = 0
    while True:
        with service.db.transaction() as conn:
            now = service.now()
            rows = expired_cases(conn, now, _BATCH)
            ended += sum(end_case(service, conn, row, "expired", now) for row in rows)
        if len(rows) < _BATCH:
            return ended
