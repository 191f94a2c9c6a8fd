"""Is a case due: the waiting period is over by every measure, so that moving one of them shortens nothing.

    the key service's clock      now                                               >= due
    the witnesses' clocks        when the newest head of the keys log was cosigned >= due
    the keys worker's ticks      waited_s                                          >= wait

- `wait`: between `opened_at` and `not_before` of the case, or what the policy demands today, whichever is
  more; `due`: so long after `opened_at`. The case's own times are under the token's MAC.
- The ticks are a column that a superuser of the keys database can raise; the two clocks hold all the same.
- Without witnesses that the policy demands nobody cosigns: then the ticks and one clock remain.
- A kind of case that is due at once is so by the key service's clock alone.
"""

from datetime import UTC, datetime, timedelta

from vault_service.domain.case import Case, from_case_time
from vault_service.domain.recovery_errors import NotDueError
from vault_service.kms.service import KeyService


def demand_due(service: KeyService, case: Case, waited_s: float) -> None:
    """`case`: believed; `waited_s`: as it is stored. Raises NotDueError, which says what is missing."""
    opened = from_case_time(case.opened_at)
    wait = waiting_period(service, case)
    due = opened + wait
    if (now := service.now()) < due:
        raise NotDueError(f"due in {_seconds(due - now)} s by the key service's clock")
    if not wait:
        return
    if waited_s < wait.total_seconds():
        raise NotDueError(f"{int(waited_s)} s of {_seconds(wait)} s were seen to pass by the keys worker")
    if service.witnesses and service.policies.audit.checkpoints.cosignatures:
        cosigned = service.sealing.cosigned_at("keys")
        if cosigned is None or datetime.fromtimestamp(cosigned, UTC) < due:
            raise NotDueError("no witness has cosigned the keys log since the waiting period ended")


def waiting_period(service: KeyService, case: Case) -> timedelta:
    """What the case was opened with, or what the policy demands now: whichever is more."""
    own = from_case_time(case.not_before) - from_case_time(case.opened_at)
    return max(own, timedelta(seconds=service.policies.recovery.waiting_of(case.kind)))


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds()) + 1
