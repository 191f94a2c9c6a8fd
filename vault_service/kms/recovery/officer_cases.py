"""Cases that officers open, which are all kinds but a regain, and the veto of any case."""

import os
from datetime import timedelta

import msgspec

from vault_service.crypto.age import load_recipient
from vault_service.crypto.approvals import SignedDecision, check_decision
from vault_service.crypto.officer_change import check_change
from vault_service.crypto.phrase import verification_phrase
from vault_service.domain.case import ABOUT_SOMEBODY, Case, case_hash, case_time, check_case
from vault_service.domain.errors import (
    IdempotencyConflictError,
    InvalidInputError,
    ManifestError,
    VaultError,
)
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, OfficerId, UserId, new_uuid
from vault_service.domain.manifest import Manifest, Officer, manifest_hash, parse_manifest
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseNotFoundError,
    CaseRefusedError,
    NotPermittedError,
)
from vault_service.domain.rotation_errors import GenerationNeededError, NothingToRotateError
from vault_service.kms.cases.book import case_row, genuine, seal_case
from vault_service.kms.cases.end import end_case, notify, subject_of
from vault_service.kms.protocol.recovery_messages import CaseOpened, DoneCase, OpenCase, VetoCase
from vault_service.kms.recovery.officers import officer_of
from vault_service.kms.recovery.recovery_status import state_of
from vault_service.kms.rotation.escrow_keys import demand_unneeded
from vault_service.kms.rotation.escrow_rotation import demand_something_to_rotate
from vault_service.kms.service import KeyService
from vault_service.storage.keys.approvals import insert_approval
from vault_service.storage.keys.cases import CaseRow, find_case, insert_case
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.proposed_manifests import insert_proposed
from vault_service.storage.keys.users import UserRow, find_by_id, find_escrow

_REFUSALS = (
    NotPermittedError, InvalidInputError, IdempotencyConflictError, NothingToRotateError,
    GenerationNeededError,
)  # fmt: skip


def open_case(service: KeyService, request: OpenCase) -> CaseOpened:
    """A case in the name of the officer who signed the call; a retry with its id finds it.

    Raises OfficerRefusedError, NotPermittedError, InvalidInputError, IdempotencyConflictError,
    NothingToRotateError, GenerationNeededError, each with its event.
    """
    officer = officer_of(service, request, CaseId(request.case_id))
    try:
        return _open(service, request, officer)
    except _REFUSALS as error:
        service.record(
            KeysEvent.CASE_REFUSED, case=CaseId(request.case_id), officer=OfficerId(officer.officer_id)
        )
        raise error from None


def _open(service: KeyService, request: OpenCase, officer: Officer) -> CaseOpened:
    if request.kind == "regain":
        raise NotPermittedError("a regain is asked for by its user, through an app")
    with service.db.connection() as conn:
        existing = find_case(conn, CaseId(request.case_id))
        person = find_by_id(conn, UserId(request.user_id)) if request.user_id else None
        escrow = find_escrow(conn, person.user, person.dek) if person else None
    if existing is not None:
        return _again(service, existing, request, officer)
    if request.kind in ABOUT_SOMEBODY and person is None:
        raise InvalidInputError("user_id", "there is no such user")
    escrow_gen = escrow.escrow_gen if escrow else service.manifests.current().escrow_key.gen
    case = _case(service, request, officer, person, escrow_gen)
    service.policies.authority.demand(officer, "open", case)
    if request.kind == "escrow-rotation":
        demand_something_to_rotate(service)
    body, mac = seal_case(service, case)
    row = case_row(case, body, mac)
    with service.db.transaction() as conn:
        if not insert_case(conn, row, login_index_gen=person.login_index_gen if person else None):
            raise IdempotencyConflictError
        if request.manifest is not None:
            insert_proposed(conn, row.case, request.manifest)
        insert_event(
            conn, KeysEvent.CASE_OPENED, row.opened_at, user=subject_of(row), case=row.case,
            officer=OfficerId(officer.officer_id), digest=case_hash(body),
        )  # fmt: skip
        notify(service, conn, row, "opened", row.opened_at)
    return _opened(body)


def _case(
    service: KeyService, request: OpenCase, officer: Officer, person: UserRow | None, escrow_gen: int
) -> Case:
    """Raises InvalidInputError if what is asked for does not fit the kind."""
    manifest, policy, now = service.manifests.current(), service.policies.recovery, service.now()
    if request.recipient is not None:
        load_recipient(request.recipient)
    scope = request.scope
    proposed = None if request.manifest is None else _proposed_hash(service, manifest, request.manifest)
    if scope.manifest not in (None, proposed):
        raise InvalidInputError("scope", "it names another manifest than the one that is proposed")
    scope = msgspec.structs.replace(scope, manifest=proposed)
    if person is None and request.user_id is not None:
        raise InvalidInputError("user_id", "there is no such user")
    wait, expiry = policy.waiting_of(request.kind), policy.expiry_of(request.kind)
    case = Case(
        v=1, case_id=request.case_id, kind=request.kind, tenant=person.tenant if person else None,
        user_id=person.user if person else None, dek_id=person.dek if person else None,
        epoch=person.credential.epoch if person else None,
        login_index=person.login_index.hex() if person else None, target_pk=None,
        recipient=request.recipient, stolen=False, requester=officer.officer_id, app_id=None,
        reason=request.reason, scope=scope, escrow_gen=escrow_gen, manifest_serial=manifest.serial,
        manifest_hash=manifest_hash(manifest.encode()).hex(),
        quorum=policy.quorum_of(request.kind, scope, manifest.quorum), opened_at=case_time(now),
        not_before=case_time(now + timedelta(seconds=wait)),
        expires_at=case_time(now + timedelta(seconds=expiry)), nonce=os.urandom(32).hex(),
    )  # fmt: skip
    try:
        check_case(case)
    except CaseRefusedError as error:  # nothing is stored yet: it is the request that does not fit
        raise InvalidInputError("case", error.detail) from None
    return case


def _proposed_hash(service: KeyService, newest: Manifest, body: bytes) -> str:
    """What stands in the case for it.

    Whether it may follow is judged again once a quorum has endorsed it; what never could is refused before
    officers read it, and wait for it. Raises InvalidInputError, GenerationNeededError.
    """
    try:
        candidate = parse_manifest(body)
        check_change(newest, candidate)
        service.manifests.check(candidate)
    except ManifestError as error:
        raise InvalidInputError("manifest", error.detail) from None
    demand_unneeded(service, newest, candidate)
    return manifest_hash(body).hex()


def _again(service: KeyService, row: CaseRow, request: OpenCase, officer: Officer) -> CaseOpened:
    """The case that the same request of the same officer opened before."""
    case = genuine(service, row)
    asked = (request.kind, request.user_id, request.recipient, request.reason, officer.officer_id)
    if asked != (case.kind, case.user_id, case.recipient, case.reason, case.requester) or (
        request.scope.collections, request.scope.sample,
    ) != (case.scope.collections, case.scope.sample):  # fmt: skip
        raise IdempotencyConflictError
    if request.manifest is not None and manifest_hash(request.manifest).hex() != case.scope.manifest:
        raise IdempotencyConflictError
    return _opened(row.body)


def _opened(body: bytes) -> CaseOpened:
    return CaseOpened(body, verification_phrase(case_hash(body)))


def veto_case(service: KeyService, request: VetoCase) -> DoneCase:
    """One officer's signed veto ends a case; the signature stands for it, so that it needs no other proof.

    While a ceremony executes the case it is too late, unless that ceremony dies: the signature is kept, and
    no other one goes on with the case.

    Raises CaseNotFoundError, CaseClosedError, CaseRefusedError, ApprovalRefusedError, SelfApprovalError,
    NotPermittedError, each with its event.
    """
    case_id, who = CaseId(request.case_id), OfficerId(request.officer_id)
    with service.db.connection() as conn:
        row = find_case(conn, case_id)
    if row is None:
        raise _veto_refused(service, None, request, CaseNotFoundError())
    case = genuine(service, row)
    if request.decision != "veto":
        raise _veto_refused(service, row, request, InvalidInputError("decision", "it is no veto"))
    signed = SignedDecision(who, request.authenticator_id, "veto", request.signature, reason=request.reason)
    try:
        check_decision(case, signed, service.manifests.current(), service.policies.authority)
    except VaultError as error:
        raise _veto_refused(service, row, request, error) from None
    if row.state == "vetoed":
        return DoneCase("vetoed")
    if state_of(service, row) == "expired":
        raise _veto_refused(service, row, request, CaseClosedError())
    with service.db.transaction() as conn:
        now = service.now()
        ended = end_case(service, conn, row, "vetoed", now, officer=who)
        there = None if ended else find_case(conn, case_id)
        held = there is not None and there.state == "executing"
        if ended or held:
            insert_approval(conn, case_id, new_uuid(), signed, now)
    if not ended:
        why = "a ceremony executes it at this moment; should that fail, the veto counts" if held else ""
        raise _veto_refused(service, row, request, CaseClosedError(why))
    return DoneCase("vetoed")


def _veto_refused(
    service: KeyService, row: CaseRow | None, request: VetoCase, error: VaultError
) -> VaultError:
    service.record(
        KeysEvent.APPROVAL_REFUSED, case=CaseId(request.case_id), officer=OfficerId(request.officer_id),
        digest=None if row is None else case_hash(row.body),
    )  # fmt: skip
    return error
