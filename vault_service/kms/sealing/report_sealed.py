"""Take a worker's report of how far its log is sealed: believed as far as a note proves it."""

from vault_service.domain.audit_errors import HeadsDisagreeError, ReportRefusedError
from vault_service.domain.errors import CallerRefusedError
from vault_service.domain.logs import generation_of
from vault_service.kms.kept.head import Head
from vault_service.kms.limits.sealing_watch import SealedReport
from vault_service.kms.protocol.messages import Done, ReportSealed
from vault_service.kms.sealing.sign_checkpoint import log_keys, worker_of
from vault_service.kms.service import KeyService
from vault_service.storage.keys.unsealed import count_sequenced
from vault_service.tlog.checkpoint import parse_checkpoint
from vault_service.tlog.errors import NoteError
from vault_service.tlog.note import COSIGNATURE, ED25519, Note, parse_note, verified


def report_sealed(service: KeyService, role: str, request: ReportSealed) -> Done:
    """Raises ReportRefusedError, CallerRefusedError, HeadsDisagreeError, UnavailableError."""
    if role != worker_of(request.log):
        raise CallerRefusedError(f"{role} may not speak for the {request.log} log")
    last = service.heads.last(request.log)
    sealed, cosigned_at = _sealed(service, request, last)
    # A head is signed that the report leaves out: so much at least is not sealed.
    unsealed = max(request.unsealed, last.size - sealed.size) if last.note is not None else request.unsealed
    service.sealing.reported(
        request.log,
        SealedReport(
            sealed_size=sealed.size, unsealed=unsealed, oldest_unsealed_s=request.oldest_unsealed_s,
            proved=sealed.note is not None or last.note is None, cosigned_at=cosigned_at,
        ),
    )  # fmt: skip
    return Done()


def count_events(service: KeyService) -> None:
    """Count the keys log's events; run every second or so. Raises UnavailableError."""
    at_most = service.policies.audit.sealing.max_unsealed_events + 1
    with service.db.connection() as conn:
        sequenced = count_sequenced(conn, at_most=at_most)
    service.sealing.counted(sequenced.size, sequenced.waiting)


def _sealed(service: KeyService, request: ReportSealed, last: Head) -> tuple[Head, int | None]:
    """The head that counts, and when it was cosigned; without a note nothing is sealed in this generation."""
    nothing = Head(last.generation, 0, b"", None)
    if request.note is None:
        return nothing, None
    name = service.heads.name(request.log)
    try:
        note = parse_note(request.note)
        generation = generation_of(name, parse_checkpoint(note.text).origin)
        if generation is not None and generation < last.generation:
            return nothing, None  # the last one before a restore: its worker has not got further yet
        head = Head.of_note(name, last.generation, request.note)
        cosigned_at = _check_signatures(service, name, note)
    except NoteError as error:
        raise ReportRefusedError(f"the reported head of the {request.log} log: {error}") from error
    if head.size > last.size or (head.size == last.size and head.root != last.root):
        raise HeadsDisagreeError(
            f"this vault's key signed a head of {head.size} leaves of the {request.log} log that is not "
            "remembered: the memory of signed heads was rolled back"
        )
    return head, cosigned_at


def _check_signatures(service: KeyService, name: str, note: Note) -> int | None:
    """This vault's key, and as many cosigners as the policy demands; since when there were so many.

    Raises NoteError.
    """
    signed_by = verified(note, (*log_keys(service.manifests.current(), name), *service.witnesses))
    if not any(key.key_type == ED25519 for key, _ in signed_by):
        raise NoteError("this vault has not signed it")
    times = {key.public_key: at for key, at in signed_by if key.key_type == COSIGNATURE and at is not None}
    need = service.policies.audit.checkpoints.cosignatures
    if len(times) < need:
        raise NoteError(f"{len(times)} of {need} cosignatures by known witnesses")
    return sorted(times.values(), reverse=True)[need - 1] if need else None
