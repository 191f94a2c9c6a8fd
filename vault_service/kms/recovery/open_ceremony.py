"""Open a ceremony: sign that an ephemeral key belongs to these cases; close it; give up dead ones.

A note is asked for before the officers have approved, so that approving and releasing can be one act:
the quorum is demanded when a wrap is to leave (kms/recovery/peel.py).
"""

from datetime import timedelta
from uuid import UUID

from vault_service.crypto.hpke import load_public_key
from vault_service.domain.case import case_hash, case_time
from vault_service.domain.ceremony_note import CeremonyNote, NotedCase, note_hash
from vault_service.domain.errors import InvalidInputError, SealBrokenError, VaultError
from vault_service.domain.events import ASKED_TOO_EARLY, KeysEvent
from vault_service.domain.ids import NOBODY, CaseId, CeremonyId, new_uuid
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CeremonyBusyError,
    NoteRefusedError,
)
from vault_service.kms.cases.ceremony_notes import live_note, sign_note
from vault_service.kms.cases.execution import REFUSALS, believed_case, demand_open, refusals_recorded
from vault_service.kms.cases.quorum import judge_case
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.recovery_messages import CeremonyOpened, CloseCeremony, OpenCeremony
from vault_service.kms.service import KeyService
from vault_service.storage.keys.cases import CaseRow, find_case, move_case
from vault_service.storage.keys.ceremonies import close_ceremony as close_row
from vault_service.storage.keys.ceremonies import find_ceremony, insert_ceremony
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.executing import held_cases


def open_ceremony(service: KeyService, request: OpenCeremony) -> CeremonyOpened:
    """Sign a note over the cases that are due; the others are left out, with the code of why.

    Raises what keeps the first case out when none is left, NoteRefusedError for another token,
    InvalidInputError for no point of the curve; UnsealedError while the trail is not sealed.
    """
    service.sealing.demand()
    manifest = service.manifests.current()
    _check_key_and_token(service, request, manifest.tokens.escrow)
    cases: list[NotedCase] = []
    left_out: dict[UUID, VaultError] = {}
    for case_id in dict.fromkeys(request.cases):
        try:
            with refusals_recorded(
                service, KeysEvent.CEREMONY_REFUSED, CaseId(case_id), not_due=ASKED_TOO_EARLY
            ):
                cases.append(_noted(service, CaseId(case_id)))
        except REFUSALS as error:
            left_out[case_id] = error
    if not cases:
        raise next(iter(left_out.values()))
    now = service.now()
    expires = now + timedelta(seconds=service.policies.recovery.ceremony.note_s)
    note = CeremonyNote(
        v=1, ceremony_id=new_uuid(), ephemeral_pk=request.ephemeral_pk.hex(), cases=tuple(cases),
        pin_gens=request.pin_gens, token_serial=request.token_serial, manifest_serial=manifest.serial,
        issued_at=case_time(now), expires_at=case_time(expires),
    )  # fmt: skip
    body, signature = sign_note(service, note)
    with service.db.transaction() as conn:
        insert_ceremony(conn, CeremonyId(note.ceremony_id), body, signature, expires)
        insert_event(conn, KeysEvent.CEREMONY_OPENED, now, digest=note_hash(body))
    return CeremonyOpened(body, signature, tuple((case, why.code) for case, why in left_out.items()))


def _check_key_and_token(service: KeyService, request: OpenCeremony, escrow_serial: str) -> None:
    """Officers would release shares of a PIN to a key that nobody has, or for a token that is not theirs."""
    refused: VaultError | None = None
    try:
        load_public_key(request.ephemeral_pk)
    except SealBrokenError:
        refused = InvalidInputError("ephemeral_pk", "it is no point of P-256")
    if request.token_serial != escrow_serial:
        refused = NoteRefusedError("the manifest names another escrow token")
    if refused is not None:
        service.record(KeysEvent.CEREMONY_REFUSED)
        raise refused


def _noted(service: KeyService, case_id: CaseId) -> NotedCase:
    """All that peel demands, but for the quorum, which need not be there yet."""
    row, case = believed_case(service, case_id)
    demand_open(service, row, case)
    if judge_case(service, case).vetoed_by:
        raise CaseClosedError("an officer has vetoed the case")
    if row.state == "executing" and not _give_up(service, row):
        raise CeremonyBusyError("another ceremony executes this case")
    return NotedCase(row.case, case_hash(row.body).hex())


def close_ceremony(service: KeyService, request: CloseCeremony) -> Done:
    """End a ceremony; what it holds and did not complete is open again. Raises NoteRefusedError."""
    ceremony, now = CeremonyId(request.ceremony_id), service.now()
    with service.db.transaction() as conn:
        row = find_ceremony(conn, ceremony)
        if row is not None and close_row(conn, ceremony, now):
            insert_event(conn, KeysEvent.CEREMONY_CLOSED, now, digest=note_hash(row.note))
    if row is None:
        service.record(KeysEvent.CEREMONY_REFUSED)
        raise NoteRefusedError("there is no such ceremony")
    give_up_dead(service)
    return Done()


def give_up_dead(service: KeyService) -> int:
    """Open every case again whose ceremony is over; returns how many. Run every few seconds."""
    with service.db.connection() as conn:
        held = held_cases(conn)
        rows = [find_case(conn, case) for case, _ in held]
    return sum(_give_up(service, row) for row in rows if row is not None)


def _give_up(service: KeyService, row: CaseRow) -> bool:
    """False while its ceremony is alive, or when the case is no longer as it was."""
    if row.ceremony is not None:
        try:
            live_note(service, row.ceremony)
        except NoteRefusedError:
            pass
        else:
            return False
    with service.db.transaction() as conn:
        now = service.now()
        moved = move_case(conn, row.case, "executing", "open", now, ceremony=row.ceremony)
        if moved:
            insert_event(
                conn, KeysEvent.CASE_REOPENED, now, user=row.user or NOBODY, case=row.case,
                digest=case_hash(row.body),
            )  # fmt: skip
    return moved
