"""The officer types login and phrase as the person gave them; wrong ones are counted, then none is taken."""

import hmac

from vault_service.crypto.phrase import check_phrase
from vault_service.domain.case import Case, case_hash
from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, OfficerId, TenantId
from vault_service.domain.login import normalise_login
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CaseNotFoundError,
    IdentificationRefusedError,
    NotPermittedError,
)
from vault_service.kms.cases.book import genuine, identified_mac
from vault_service.kms.cases.end import subject_of
from vault_service.kms.protocol.recovery_messages import Identified, Identify
from vault_service.kms.recovery.officers import officer_of, refuse_officer
from vault_service.kms.recovery.recovery_status import state_of
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, find_case
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.identifications import take_identification


def identify(service: KeyService, request: Identify) -> Identified:
    """The key service's word that this officer was told this case's login and phrase.

    The same refusal for a wrong login, a wrong phrase, a decoy and one try too many. Raises
    IdentificationRefusedError, CaseNotFoundError, CaseClosedError, CaseRefusedError, NotPermittedError,
    OfficerRefusedError; each with its event.
    """
    case_id = CaseId(request.case_id)
    officer = officer_of(service, request, case_id)
    who = OfficerId(officer.officer_id)
    with service.db.connection() as conn:
        row = find_case(conn, case_id)
    if row is None or row.kind != "regain":
        raise _refused(service, row, case_id, who, CaseNotFoundError())
    case = genuine(service, row)
    try:
        service.policies.authority.demand(officer, "approve", case)
    except NotPermittedError as error:
        refuse_officer(service, who, error, case=case_id)
    if state_of(service, row) != "open":
        raise _refused(service, row, case_id, who, CaseClosedError())
    digest, mac = case_hash(row.body), identified_mac(service, case, officer.officer_id)
    # Judged here, by the case under its MAC: a database that compared would decide whose login it is.
    is_right = _is_right(service, request, case, digest) and not row.decoy
    with service.db.transaction() as conn:
        now = service.now()
        taken = take_identification(
            conn, case_id, is_right=is_right, at_most=service.policies.recovery.limits.wrong_identifications,
            now=now,
        )  # fmt: skip
        right = taken and is_right
        kind = KeysEvent.OFFICER_IDENTIFIED_SUBJECT if right else KeysEvent.IDENTIFICATION_REFUSED
        insert_event(conn, kind, now, user=subject_of(row), case=case_id, officer=who, digest=digest)
    if not right:
        raise IdentificationRefusedError
    return Identified(mac)


def _is_right(service: KeyService, request: Identify, case: Case, digest: bytes) -> bool:
    """Login and phrase together, with the same work whichever is wrong."""
    try:
        name = normalise_login(request.login)
    except InvalidInputError:  # what cannot be a login at all is a wrong one
        name = ""
    if case.tenant is None or case.login_index is None:
        raise TypeError("a regain has a subject")
    typed = service.live_login(TenantId(case.tenant), name, service.manifests.current()).indexes
    known = bytes.fromhex(case.login_index)  # of the generation that was current when the case was opened
    matches = [hmac.compare_digest(each, known) for each in typed]
    login_is_right = any(matches)
    try:
        check_phrase(request.phrase, digest)
    except IdentificationRefusedError:
        return False
    return login_is_right


def _refused(
    service: KeyService, row: CaseRow | None, case: CaseId, officer: OfficerId, error: VaultError
) -> VaultError:
    service.record(
        KeysEvent.IDENTIFICATION_REFUSED, case=case, officer=officer,
        digest=None if row is None else case_hash(row.body),
    )  # fmt: skip
    return error
