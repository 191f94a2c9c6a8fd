"""Commit what a ceremony made of a case: in one transaction with its event, once.

Everything that was demanded before the wraps left is demanded again: that a case is "executing" is a word in
a table. A ceremony whose answer got lost asks again with the same result and is told that it stands.
"""

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vault_service.crypto.hpke import load_public_key
from vault_service.domain.case import CaseKind
from vault_service.domain.errors import (
    ConcurrentChangeError,
    InvalidInputError,
    SealBrokenError,
    UnavailableError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, CaseId, CeremonyId
from vault_service.domain.recovery_errors import CaseClosedError, CaseRefusedError
from vault_service.kms.cases.end import end_open_cases_of, notify
from vault_service.kms.cases.execution import Execution, execution, refusals_recorded
from vault_service.kms.protocol.recovery_messages import CompleteCase, DoneCase
from vault_service.kms.recovery.peel import subject_in
from vault_service.kms.rotation.escrow_rotation import demand_target, finish
from vault_service.kms.rotation.sign_manifest import sign_proposed
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.credentials import regain_credential
from vault_service.storage.keys.approvals import list_approvals
from vault_service.storage.keys.cases import find_case, move_case
from vault_service.storage.keys.erased import delete_recovery_code, delete_user
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.guesses import reset_guesses_at
from vault_service.storage.keys.logins import has_login
from vault_service.storage.keys.proposed_manifests import find_proposed
from vault_service.storage.keys.regains import delete_regain_key, find_regain_key
from vault_service.storage.keys.users import (
    UserRow,
    find_by_id,
    hold_credential,
    replace_credential,
)
from vault_service.storage.pool import Conn


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one kind of case leaves."""

    event: KeysEvent | None  # None: `commit` writes one of its own
    digest: bytes | None  # of the event; None: the case's hash
    result: bytes  # SHA-256, kept with the case
    commit: Callable[[Conn], None] = lambda _: None  # within the transaction
    subject: UserRow | None = None  # whose credential is replaced or destroyed
    epoch: int | None = None  # of the credential that replaces it
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


def complete(service: KeyService, request: CompleteCase) -> DoneCase:
    """The case is executed.

    Raises what `execution` does, CaseClosedError when this ceremony does not execute it (any more),
    InvalidInputError for a result that does not fit the kind, IntegrityError; each with its event.
    """
    ceremony, case_id = CeremonyId(request.ceremony_id), CaseId(request.case_id)
    with refusals_recorded(service, KeysEvent.CEREMONY_REFUSED, case_id):
        if _stands_already(service, request):
            return DoneCase("executed")
        found = execution(service, ceremony, case_id)
        if found.row.state != "executing":
            raise CaseClosedError("no ceremony has begun to execute the case")
        outcome = _executed(service, ceremony, found, request)
    with contextlib.suppress(UnavailableError):  # it is committed; whatever this is for looks again by itself
        outcome.after()
    return DoneCase("executed")


def _executed(service: KeyService, ceremony: CeremonyId, found: Execution, request: CompleteCase) -> _Outcome:
    """Once more when the subject was moved to another login index in between."""
    for _ in range(2):
        with contextlib.suppress(_MovedError):
            outcome = _OUTCOMES[found.case.kind](service, found, request)
            outcome.before()
            _commit(service, ceremony, found, outcome)
            return outcome
    raise ConcurrentChangeError


class _MovedError(Exception):
    """The subject's wraps are bound to another login index than what was made for them."""


def _commit(service: KeyService, ceremony: CeremonyId, found: Execution, outcome: _Outcome) -> None:
    case_id, subject = found.row.case, outcome.subject
    with service.db.transaction() as conn:
        now = service.now()
        # The credential before the case, as a sign-in locks them, or the two would wait for one another.
        if subject is not None and not hold_credential(conn, subject.user, subject.credential.credential):
            raise CaseClosedError("the subject's password was changed meanwhile")
        if subject is not None and not has_login(conn, subject.user, subject.login_index):
            raise _MovedError
        moved = move_case(
            conn, case_id, "executing", "executed", now, ceremony=ceremony, result=outcome.result
        )
        if not moved:
            raise CaseClosedError("the case was executed or given up meanwhile")
        outcome.commit(conn)
        notify(service, conn, found.row, "executed", now)
        if outcome.event is not None:
            insert_event(
                conn, outcome.event, now, user=found.row.user or NOBODY, case=case_id,
                digest=outcome.digest or found.digest, epoch=outcome.epoch,
            )  # fmt: skip


def _stands_already(service: KeyService, request: CompleteCase) -> bool:
    with service.db.connection() as conn:
        row = find_case(conn, CaseId(request.case_id))
    return (
        row is not None
        and row.state == "executed"
        and row.ceremony == request.ceremony_id
        and row.result == _result(request)
    )


def _result(request: CompleteCase) -> bytes:
    """SHA-256 of what is handed in."""
    return hashlib.sha256(request.sealed_dek or request.public_key or request.digest or b"").digest()


# --- the kinds


def _regained(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    """The old password and the recovery code end, the epoch rises, the regain's wraps are the credential."""
    if request.sealed_dek is None:
        raise InvalidInputError("sealed_dek", "a regain leaves the DEK sealed to the case's key")
    user, case = _user_of(service, found), found.case
    with service.db.connection() as conn:
        key = find_regain_key(conn, found.row.case)
        if not has_login(conn, user.user, user.login_index):
            raise _MovedError  # the key may be bound to the new index already
    if key is None or case.target_pk is None:
        raise CaseClosedError("the case's private key is gone")
    with service.integrity(user.user):
        credential = regain_credential(
            service.keyring, user, key, request.sealed_dek, case=found.row.case, case_hash=found.digest,
            public_key=bytes.fromhex(case.target_pk), pepper_gen=service.manifests.current().pepper_gen,
        )  # fmt: skip

    guessed_at = service.guessed_at(user)

    def commit(conn: Conn) -> None:
        now = service.now()
        if not replace_credential(conn, user.user, user.credential.credential, credential, now):
            raise CaseClosedError("the subject's password was changed meanwhile")
        delete_recovery_code(conn, user.user)
        end_open_cases_of(service, conn, user.user, now)
        delete_regain_key(conn, found.row.case)
        reset_guesses_at(conn, guessed_at, now)

    return _Outcome(KeysEvent.ACCESS_REGAINED, None, _result(request), commit, user, epoch=credential.epoch)


def _erased(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    """Like an erasure by the user (kms/users/erase.py)."""
    user = _user_of(service, found)

    def commit(conn: Conn) -> None:
        if not delete_user(conn, user.user, user.credential.credential):
            raise CaseClosedError("the subject's password was changed meanwhile")
        end_open_cases_of(service, conn, user.user, service.now())

    return _Outcome(
        KeysEvent.ERASED_BY_OFFICERS, None, _result(request), commit, user,
        before=lambda: service.tombstones.begin(user.user), after=lambda: service.tombstones.add(user.user),
    )  # fmt: skip


def _disclosed(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    _user_of(service, found)
    digest = _demand_digest(request, "SHA-256 of the disclosure's manifest")
    return _Outcome(KeysEvent.DATA_DISCLOSED, digest, _result(request))


def _drilled(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    del service, found
    digest = _demand_digest(request, "SHA-256 of the drill's report")
    event = KeysEvent.DRILL_FAILED if request.failed else KeysEvent.DRILL_PASSED
    return _Outcome(event, digest, _result(request))


def _key_created(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    """What becomes of the key is decided by a manifest that a quorum endorses."""
    del service, found
    try:
        load_public_key(request.public_key or b"")
    except SealBrokenError:
        raise InvalidInputError("public_key", "it is no point of P-256") from None
    result = _result(request)
    return _Outcome(KeysEvent.ESCROW_KEY_CREATED, result, result)


def _officers_changed(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    """The proposed manifest is signed and stands in the chain; sign_manifest.py judges it by itself."""
    with service.db.connection() as conn:
        body = find_proposed(conn, found.row.case)
        decisions = [row.signed for row in list_approvals(conn, found.row.case)]
    if body is None:
        raise CaseRefusedError("the proposed manifest is gone")

    def commit(conn: Conn) -> None:
        sign_proposed(service, conn, found.case, body, decisions, service.now())

    def after() -> None:
        with contextlib.suppress(UnavailableError):  # it is done; the next look finds it
            service.manifests.reload()

    return _Outcome(None, None, _result(request), commit, after=after)


def _rotated(service: KeyService, found: Execution, request: CompleteCase) -> _Outcome:
    """Nothing is on an older escrow key but what does not open (kms/rotation/escrow_rotation.py)."""
    _demand_digest(request, "SHA-256 of the rotation's report")
    demand_target(service.manifests.current(), found.case)
    return _Outcome(None, None, _result(request), lambda conn: finish(service, conn, found.case))


_OUTCOMES: Mapping[CaseKind, Callable[[KeyService, Execution, CompleteCase], _Outcome]] = {
    "regain": _regained,
    "erasure": _erased,
    "disclosure": _disclosed,
    "drill": _drilled,
    "key-ceremony": _key_created,
    "officer-change": _officers_changed,
    "escrow-rotation": _rotated,
}


def _demand_digest(request: CompleteCase, what: str) -> bytes:
    if request.digest is None:
        raise InvalidInputError("digest", what)
    return request.digest


def _user_of(service: KeyService, found: Execution) -> UserRow:
    """The subject, unchanged since the case was opened; what is committed compares the credential again."""
    with service.db.connection() as conn:
        subject = subject_in(conn, service, found.case)
        user = find_by_id(conn, subject.user)
    if user is None or user.credential.epoch != subject.epoch:
        raise CaseClosedError("the subject's password was changed meanwhile")
    return user
