"""Open a case in an officer's name, and find the user whom it is to be about."""

from dataclasses import dataclass, field
from uuid import UUID

from vault_service.crypto.age import load_recipient
from vault_service.domain.case import Case, CaseKind, Scope, case_hash, parse_case
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import CaseId, UserId, new_uuid
from vault_service.domain.manifest import manifest_hash
from vault_service.domain.recovery_errors import CaseRefusedError
from vault_service.kms.protocol.recovery_messages import CaseOpened, FindUser, OpenCase, UserFound
from vault_service.recovery.acting import (
    UNSIGNED,
    Acting,
    ActingWithKey,
    PreparedCall,
    prepare_call,
    send_call,
)
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


@dataclass(frozen=True, slots=True)
class PreparedOpen:
    """A case that waits for its requester's signature."""

    case: CaseId
    wanted: Wanted
    call: PreparedCall[OpenCase]

    @property
    def message(self) -> bytes:
        """What is to be signed."""
        return self.call.message


def open_case(parts: RecoveryParts, acting: ActingWithKey, wanted: Wanted) -> ShownCase:
    """Have the key service open it. What it opened is compared with what was asked for.

    Raises InvalidInputError, NotPermittedError, OfficerRefusedError, CaseRefusedError.
    """
    prepared = prepare_open(parts, acting, wanted)
    return open_prepared(parts, acting, prepared, acting.key.signing.sign(prepared.message))


def prepare_open(parts: RecoveryParts, acting: Acting, wanted: Wanted) -> PreparedOpen:
    """What the officer signs to open it. Raises InvalidInputError."""
    if wanted.recipient is not None:
        load_recipient(wanted.recipient)
    if not wanted.reason.strip():
        raise InvalidInputError("reason", "say why: the other officers decide by it")
    case = CaseId(new_uuid())
    request = OpenCase(
        case_id=case, kind=wanted.kind, reason=wanted.reason, proof=UNSIGNED, user_id=wanted.user,
        recipient=wanted.recipient, scope=wanted.scope, manifest=wanted.manifest,
    )  # fmt: skip
    return PreparedOpen(case, wanted, prepare_call(parts, acting, request))


def open_prepared(
    parts: RecoveryParts, acting: Acting, prepared: PreparedOpen, signature: bytes
) -> ShownCase:
    """Open what was signed. Raises as `open_case`."""
    wanted = prepared.wanted
    opened = parse_case(send_call(parts, prepared.call, signature, CaseOpened).body)
    if _asked(opened) != (
        prepared.case, wanted.kind, wanted.reason, wanted.user, wanted.recipient, acting.officer_id,
    ):  # fmt: skip
        raise CaseRefusedError("the key service opened another case than was asked for")
    scope = wanted.scope
    if wanted.manifest is not None:
        scope = Scope(scope.collections, scope.sample, manifest_hash(wanted.manifest).hex())
    if opened.scope != scope:
        raise CaseRefusedError("the key service opened a case of another scope than was asked for")
    shown = read_case(parts, acting.trusted, prepared.case)
    if shown.digest != case_hash(opened.encode()):
        raise CaseRefusedError("the case was altered as soon as it was stored")
    return shown


def _asked(case: Case) -> tuple[object, ...]:
    return (case.case_id, case.kind, case.reason, case.user_id, case.recipient, case.requester)


def find_user(
    parts: RecoveryParts, acting: ActingWithKey, tenant: str, login: str, purpose: str
) -> UserId | None:
    """Whose login it is; None: nobody's. Audited, and limited for each officer.

    `purpose` goes into the event as a hash. Raises NotPermittedError, OfficerRefusedError, TooManyCasesError.
    """
    prepared = prepare_find(parts, acting, tenant, login, purpose)
    return found(parts, prepared, acting.key.signing.sign(prepared.message))


def prepare_find(
    parts: RecoveryParts, acting: Acting, tenant: str, login: str, purpose: str
) -> PreparedCall[FindUser]:
    """What the officer signs to look a user up. Raises InvalidInputError."""
    if not purpose.strip():
        raise InvalidInputError("purpose", "say what for")
    return prepare_call(parts, acting, FindUser(tenant, login, purpose, UNSIGNED))


def found(parts: RecoveryParts, prepared: PreparedCall[FindUser], signature: bytes) -> UserId | None:
    """Whose login it is. Raises as `find_user`."""
    user = send_call(parts, prepared, signature, UserFound).user_id
    return None if user is None else UserId(user)
