"""How a regain stands, as its app may see it; and its end by the user, who is signed in."""

from vault_service.domain.case import Case, case_hash
from vault_service.domain.case_states import CaseState
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, UnlockId, UserId
from vault_service.domain.recovery_errors import CaseClosedError, CaseNotFoundError, NotPermittedError
from vault_service.kms.cases.book import genuine
from vault_service.kms.cases.end import end_case
from vault_service.kms.protocol.recovery_messages import (
    CancelRecovery,
    DoneCase,
    RecoveryStatus,
    RecoveryStatusIs,
)
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, find_case
from vault_service.storage.keys.events import was_unlocked
from vault_service.storage.keys.users import find_epoch


def recovery_status(service: KeyService, request: RecoveryStatus) -> RecoveryStatusIs:
    """Raises CaseNotFoundError for what this app did not ask for, CaseRefusedError, AppKeyRefusedError."""
    app = service.app(request.app_key)
    with service.db.connection() as conn:
        row = find_case(conn, CaseId(request.case_id))
    if row is None or row.kind != "regain" or row.app != app.app:
        raise CaseNotFoundError
    case = genuine(service, row)
    return RecoveryStatusIs(
        case_id=row.case, state=state_of(service, row), opened_at=case.opened_at, due_at=case.not_before,
        expires_at=case.expires_at,
    )  # fmt: skip


def state_of(service: KeyService, row: CaseRow) -> CaseState:
    """As it is now: a case whose time is over is expired, even if nobody has written it down yet."""
    return "expired" if row.state == "open" and row.expires_at <= service.now() else row.state


def cancel_recovery(service: KeyService, request: CancelRecovery) -> DoneCase:
    """By the subject only, whose session this trail must know; a case that is cancelled already stays so.

    Raises CaseNotFoundError, CaseClosedError, CaseRefusedError; NotPermittedError if the case says that the
    password was stolen, since a session shows no more than that somebody has the password.
    """
    user = UserId(request.user_id)
    with service.db.connection() as conn:
        row = find_case(conn, CaseId(request.case_id))
    if row is None or row.kind != "regain" or row.decoy or row.user != user:
        raise _refused(service, request, CaseNotFoundError())
    case = genuine(service, row)
    if case.stolen:
        raise _refused(service, request, NotPermittedError("officers decide about a stolen password"), case)
    with service.db.transaction() as conn:
        epoch = find_epoch(conn, user)
        known = epoch is not None and was_unlocked(conn, user, UnlockId(request.unlock_id), epoch)
        ended = known and end_case(service, conn, row, "cancelled", service.now())
        now_is = row if ended else find_case(conn, row.case)
    if not known:
        raise _refused(service, request, CaseNotFoundError(), case)
    if not ended and (now_is is None or now_is.state != "cancelled"):
        raise _refused(service, request, CaseClosedError(), case)
    return DoneCase("cancelled")


def _refused(
    service: KeyService, request: CancelRecovery, error: VaultError, case: Case | None = None
) -> VaultError:
    """Its event is committed; of a case that is not the caller's the event says no more than its id."""
    service.record(
        KeysEvent.CASE_REFUSED, user=UserId(request.user_id), case=CaseId(request.case_id),
        digest=None if case is None else case_hash(case.encode()),
    )  # fmt: skip
    return error
