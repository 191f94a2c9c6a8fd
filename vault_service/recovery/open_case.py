"""Open a case in an officer's name, and find the user whom it is to be about."""

from dataclasses import dataclass, field
from uuid import UUID

from vault_service.crypto.age import load_recipient
from vault_service.domain.case import Case, CaseKind, Scope, case_hash, parse_case
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import CaseId, UserId, new_uuid
from vault_service.domain.manifest import manifest_hash
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.kms.recovery_messages import CaseOpened, FindUser, OpenCase, UserFound
from vault_service.recovery.acting import UNSIGNED, Acting, call
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.parts import RecoveryParts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an officer asks for; which members are set depends on the kind."""

    kind: CaseKind
    reason: str
    user: UUID | None = None
    recipient: str | None = None
    scope: Scope = field(default_factory=Scope)
    manifest: bytes | None = None  # officer-change: what is proposed


def open_case(parts: RecoveryParts, acting: Acting, wanted: Wanted) -> ShownCase:
    """Have the key service open it. What it opened is compared with what was asked for.

    Raises InvalidInputError, NotPermittedError, OfficerRefusedError, CaseRefusedError.
    """
    if wanted.recipient is not None:
        load_recipient(wanted.recipient)
    if not wanted.reason.strip():
        raise InvalidInputError("reason", "say why: the other officers decide by it")
    case = CaseId(new_uuid())
    request = OpenCase(
        case_id=case, kind=wanted.kind, reason=wanted.reason, proof=UNSIGNED, user_id=wanted.user,
        recipient=wanted.recipient, scope=wanted.scope, manifest=wanted.manifest,
    )  # fmt: skip
    opened = parse_case(call(parts, acting, request, CaseOpened).body)
    if _asked(opened) != (
        case, wanted.kind, wanted.reason, wanted.user, wanted.recipient, acting.key.officer,
    ):  # fmt: skip
        raise CaseRefusedError("the key service opened another case than was asked for")
    scope = wanted.scope
    if wanted.manifest is not None:
        scope = Scope(scope.collections, scope.sample, manifest_hash(wanted.manifest).hex())
    if opened.scope != scope:
        raise CaseRefusedError("the key service opened a case of another scope than was asked for")
    shown = read_case(parts, acting.trusted, case)
    if shown.digest != case_hash(opened.encode()):
        raise CaseRefusedError("the case was altered as soon as it was stored")
    return shown


def _asked(case: Case) -> tuple[object, ...]:
    return (case.case_id, case.kind, case.reason, case.user_id, case.recipient, case.requester)


def find_user(parts: RecoveryParts, acting: Acting, tenant: str, login: str, purpose: str) -> UserId | None:
    """Whose login it is; None: nobody's. Audited, and limited for each officer.

    `purpose` goes into the event as a hash. Raises NotPermittedError, OfficerRefusedError, TooManyCasesError.
    """
    if not purpose.strip():
        raise InvalidInputError("purpose", "say what for")
    found = call(parts, acting, FindUser(tenant, login, purpose, UNSIGNED), UserFound).user_id
    return None if found is None else UserId(found)
