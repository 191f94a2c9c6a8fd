"""Sign a new link of the manifest chain, once the people who may decide on it have.

Three ways lead here, and the token signs in no other:

- an officer change: a case that a quorum approved, each approval with an endorsement over the proposed
  manifest. Called within the transaction that executes the case (sign_proposed);
- break-glass: the words on paper gave the key that the newest manifest names (sign_manifest);
- an operator makes or gives up a generation of one of the online token's keys (generations.py, retire.py).

Whoever asks, the chain is read and verified anew within the transaction. What has been approved for one
serial is refused once another link has that serial: the proposal names the hash of what it follows.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from vault_service.crypto.approvals import SignedDecision, judge
from vault_service.crypto.manifest_chain import (
    Endorsement,
    SignedManifest,
    break_glass_endorsement,
    check_break_glass,
    check_follows,
    endorsers,
    is_endorsed_by_break_glass,
    verify_link,
)
from vault_service.crypto.officer_change import check_change, check_people
from vault_service.domain.case import Case
from vault_service.domain.errors import ConcurrentChangeError, ManifestError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId
from vault_service.domain.manifest import (
    MIN_QUORUM,
    Manifest,
    manifest_hash,
    manifest_signing_input,
    parse_manifest,
)
from vault_service.domain.recovery_errors import CaseRefusedError, QuorumNotMetError
from vault_service.kms.manifest import manifest_label
from vault_service.kms.protocol.recovery_messages import ManifestSigned, SignManifest
from vault_service.kms.rotation.escrow_keys import tell_changes
from vault_service.kms.service import KeyService
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.generations import follow_manifest
from vault_service.storage.keys.manifests import insert_manifest
from vault_service.storage.pool import Conn


def sign_proposed(
    service: KeyService,
    conn: Conn,
    case: Case,
    body: bytes,
    decisions: Sequence[SignedDecision],
    now: datetime,
) -> Manifest:
    """Make the proposed manifest of an approved case the newest, within the caller's transaction.

    `decisions`: all of the case; they and their endorsements are judged here. Once the transaction is
    committed, the caller has `service.manifests.reload()` follow. Raises CaseRefusedError when the body is
    not the one that the case names, ManifestError, QuorumNotMetError, ConcurrentChangeError,
    TokenUnavailableError.
    """
    if case.scope.manifest != hashlib.sha256(body).hexdigest():
        raise CaseRefusedError("the case is about another manifest than the one that is proposed")
    newest = service.manifests.verified(conn)
    candidate = parse_manifest(body)
    check_change(newest, candidate)
    service.manifests.check(candidate)
    need = max(newest.quorum.base, case.quorum, MIN_QUORUM)
    # The requester may endorse as much as he likes: only the endorsements of approvals that count do.
    approved = judge(case, decisions, newest, service.policies.authority, need).approved_by
    signed = endorsements_of(newest, body, [each for each in decisions if each.officer_id in approved])
    if len(signed) < need:
        raise QuorumNotMetError(
            f"{len(signed)} of {need} approvals carry a signature over the proposed manifest"
        )
    append_link(service, conn, newest, body, signed, now, case=CaseId(case.case_id))
    tell_changes(conn, newest, candidate, now)
    return candidate


def endorsements_of(
    newest: Manifest, body: bytes, decisions: Sequence[SignedDecision]
) -> tuple[Endorsement, ...]:
    """One valid endorsement for each person who approved with one; what does not fit is left out."""
    found: dict[object, Endorsement] = {}
    for signed in decisions:
        if signed.decision != "approve" or signed.endorsement is None:
            continue
        each = Endorsement(signed.officer_id, signed.authenticator_id, signed.endorsement.hex())
        if endorsers(newest, body, (each,)):
            found.setdefault(signed.officer_id, each)
    return tuple(found.values())


def sign_manifest(service: KeyService, request: SignManifest) -> ManifestSigned:
    """Make a manifest the newest that the break-glass key signed; the same again is answered likewise.

    Raises ManifestError, with an event; ConcurrentChangeError, UnavailableError.
    """
    refused: VaultError
    now = service.now()
    try:
        with service.db.transaction() as conn:
            newest = service.manifests.verified(conn)
            if newest.encode() == request.body:  # its answer was lost
                return ManifestSigned(newest.serial)
            candidate = _check_break_glass(newest, request)
            service.manifests.check(candidate)
            signed = (break_glass_endorsement(request.signature),)
            append_link(service, conn, newest, request.body, signed, now)
            insert_event(conn, KeysEvent.BREAK_GLASS_USED, now, digest=manifest_hash(request.body))
    except ManifestError as error:
        refused = error
    else:
        service.manifests.reload()
        return ManifestSigned(candidate.serial)
    service.record(KeysEvent.CEREMONY_REFUSED, digest=hashlib.sha256(request.body).digest())
    raise refused


def _check_break_glass(newest: Manifest, request: SignManifest) -> Manifest:
    """The signature first: who has none learns nothing of what would be accepted."""
    if not is_endorsed_by_break_glass(newest, request.body, (break_glass_endorsement(request.signature),)):
        raise ManifestError(
            f"not signed by the break-glass key of manifest {newest.serial}",
            remedy="Use the newest set of words; the sheets name the set.",
        )
    candidate = parse_manifest(request.body)
    check_follows(newest, candidate)
    check_break_glass(newest, candidate)
    check_people(candidate)
    return candidate


def append_link(
    service: KeyService,
    conn: Conn,
    newest: Manifest,
    body: bytes,
    endorsements: tuple[Endorsement, ...],
    now: datetime,
    *,
    case: CaseId | None = None,
) -> None:
    """Sign a link with the manifest key of the newest one and append it, within the caller's transaction.

    What the caller lets through is judged once more as everybody else will. Raises ManifestError,
    ConcurrentChangeError, GenerationNeededError, TokenUnavailableError.
    """
    message = manifest_signing_input(body)
    signature = service.keyring.token.sign(manifest_label(newest.manifest_key.gen), message)
    link = SignedManifest(body, signature, endorsements)
    candidate = verify_link(newest, link)  # as everybody else will
    if not insert_manifest(conn, candidate.serial, link, now):
        raise ConcurrentChangeError(f"manifest {candidate.serial} was made by somebody else at the same time")
    follow_manifest(conn, candidate.keys)
    insert_event(conn, KeysEvent.MANIFEST_SIGNED, now, digest=manifest_hash(body), case=case)
