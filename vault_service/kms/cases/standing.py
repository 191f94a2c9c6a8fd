"""What a user's regains under way mean for the password that there is.

regain, not stolen    whoever shows to know the password needs no regain: it is cancelled
regain, stolen        the password may be a thief's: it cancels nothing, and from the first approval
                      that counts until the case is decided it opens nothing either
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vault_service.crypto.approvals import judge
from vault_service.domain.case import Case
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.kms.cases.book import genuine, identified_check
from vault_service.kms.cases.end import end_case
from vault_service.kms.service import KeyService
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.cases import CaseRow, cases_under_way_of
from vault_service.storage.keys.users import UserRow
from vault_service.storage.pool import Conn


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one user, as it was a moment ago."""

    suspended: bool = False  # no password opens anything, as if it were a wrong one
    ended_by_password: tuple[CaseRow, ...] = ()

    def cancel(self, service: KeyService, conn: Conn, now: datetime) -> None:
        """The password was right: in the transaction that says so. What is not open any more stays."""
        for row in self.ended_by_password:
            end_case(service, conn, row, "cancelled", now)


def standing_of(
    service: KeyService, user: UserRow, *, login_indexes: Sequence[bytes] = (), has_decoy: bool = False
) -> Standing:
    """Judged before the password is looked at, so that a right one takes no other time than a wrong one.

    Without a case: no statement at all. A planted case counts for nothing, and leaves its event.
    `login_indexes`, `has_decoy`: of the login that was handed in, where it was one. A decoy means nothing and
    is judged all the same, or the work would tell it from a case, and so who has an account.
    """
    if not (user.has_case or has_decoy):
        return Standing()
    with service.db.connection() as conn:
        rows = cases_under_way_of(conn, user.user, login_indexes)
    suspended, ended = False, list[CaseRow]()
    for row in rows:
        if row.kind != "regain" or row.expires_at <= service.now():
            continue
        try:
            case = genuine(service, row)
        except CaseRefusedError:
            continue
        is_approved = case.stolen and _has_approval(service, row, case)
        if row.decoy:
            continue
        suspended = suspended or is_approved
        if not case.stolen:
            ended.append(row)
    return Standing(suspended, tuple(ended))


def _has_approval(service: KeyService, row: CaseRow, case: Case) -> bool:
    """One that counts, by an officer who was told login and phrase; and no veto."""
    with service.db.connection() as conn:
        decisions = [each.signed for each in list_approvals(conn, row.case)]
    judgement = judge(
        case, decisions, service.manifests.current(), service.policies.authority, 1,
        identified_check(service, case),
    )  # fmt: skip
    return bool(judgement.approved_by) and not judgement.vetoed_by
