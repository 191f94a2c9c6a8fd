"""What officers who look into the logs do, for P8."""

from collections.abc import Callable

from tests.recovery.office import Office
from vault_service.audit.search import Question
from vault_service.recovery.audit_explorer import AuditParts, export, find
from vault_service.recovery.cases import ShownCase

_NO_LOGS = AuditParts({}, ())  # what is asked, and by whom, is kept wherever the answer comes from


def searching(office: Office, shown: ShownCase) -> Callable[[], object]:
    question = Question(user=shown.case.user_id, case=shown.case.case_id)
    return lambda: find(office.parts, _NO_LOGS, office.acting("bob"), question, "")


def exporting(office: Office, _: ShownCase) -> Callable[[], object]:
    return lambda: list(export(office.parts, _NO_LOGS, office.acting("bob")))
