"""Who of the officers makes a call: told by the signature over it, and refused with an event."""

from typing import NoReturn

from vault_service.crypto.officer_proof import request_hash, verify_proof
from vault_service.domain.errors import ThrottledError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, OfficerId
from vault_service.domain.manifest import Officer
from vault_service.domain.recovery_errors import NotPermittedError, OfficerRefusedError
from vault_service.kms.protocol.recovery_messages import FindUser, Identify, OpenCase, signed_hash_input
from vault_service.kms.service import KeyService
from vault_service.policy.authority import VaultAction

SignedRequest = OpenCase | Identify | FindUser


def officer_of(service: KeyService, request: SignedRequest, case: CaseId | None = None) -> Officer:
    """The officer of the newest manifest who signed this very request, now and for the first time.

    Raises OfficerRefusedError and ThrottledError, each with an event in the name that was claimed.
    """
    proof = request.proof
    digest = request_hash(signed_hash_input(request))
    try:
        now = service.now()
        officer = verify_proof(service.manifests.current(), request.name, digest, proof, now)
        service.officer_calls.take_nonce(officer.officer_id, proof.nonce, proof.at, now.timestamp())
    except (OfficerRefusedError, ThrottledError) as error:
        refuse_officer(service, OfficerId(proof.officer_id), error, case=case)
    return officer


def demand_in_general(service: KeyService, officer: Officer, action: VaultAction) -> None:
    """Raises NotPermittedError, with its event."""
    try:
        service.policies.authority.demand_in_general(officer, action)
    except NotPermittedError as error:
        refuse_officer(service, OfficerId(officer.officer_id), error)


def refuse_officer(
    service: KeyService, officer: OfficerId, error: VaultError, *, case: CaseId | None = None
) -> NoReturn:
    """Commit the event, then raise."""
    service.record(KeysEvent.OFFICER_REFUSED, case=case, officer=officer)
    raise error
