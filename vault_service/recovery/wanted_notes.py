"""Ceremonies that wait for shares, and whether an officer's own share may go there.

A genuine note is not enough: what stands on it must be wanted, by this officer or by a quorum.
"""

from collections.abc import Sequence

from vault_service.domain.ceremony_note import parse_note
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, OfficerId
from vault_service.domain.recovery_errors import (
    CaseNotFoundError,
    CaseRefusedError,
    NoteRefusedError,
    NothingApprovedError,
    NotPermittedError,
)
from vault_service.recovery.acting import Acting
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.notes import TrustedNote, verify_note
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.ceremonies import CeremonyRow, open_ceremonies
from vault_service.storage.keys.events import insert_event

NOT_TRUSTED = (NoteRefusedError, CaseRefusedError, CaseNotFoundError, NotPermittedError)


def waiting_ceremonies(parts: RecoveryParts, case: CaseId | None) -> list[CeremonyRow]:
    """Ceremonies that wait for shares; `case`: only those that say that they are for it."""
    with parts.db.connection() as conn:
        rows = open_ceremonies(conn, parts.now())
    return [row for row in rows if case is None or _claims(row, case)]


def _claims(row: CeremonyRow, case: CaseId) -> bool:
    """Whether the note says that the ceremony is for this case; whether it is to be believed comes next."""
    try:
        note = parse_note(row.note)
    except NoteRefusedError:
        return False
    return any(noted.case_id == case for noted in note.cases)


def trusted_note(
    parts: RecoveryParts, acting: Acting, row: CeremonyRow, about_to_approve: CaseId | None = None
) -> TrustedNote:
    """A note that this officer's share may go to. `about_to_approve`: a case that counts as approved already.

    Raises NoteRefusedError, CaseRefusedError, CaseNotFoundError, NotPermittedError, NothingApprovedError,
    once the refusal is recorded.

    Who is not an officer any more may still hand in a share: a ceremony that changed the officers and died
    before it split the PIN anew can be opened by the old holders alone. It decides nothing.
    """
    try:
        trusted = verify_note(parts, acting.trusted, row)
        named = [each for each in acting.manifest.officers if each.officer_id == acting.officer_id]
        cases = [read_case(parts, acting.trusted, CaseId(noted.case_id)) for noted in trusted.note.cases]
        for shown in cases:
            for officer in named:
                parts.authority.demand(officer, "release", shown.case)
        if about_to_approve not in {shown.case_id for shown in cases}:
            _demand_wanted(cases, acting.officer_id)
    except NOT_TRUSTED:
        with parts.db.transaction() as conn:
            insert_event(conn, KeysEvent.CEREMONY_REFUSED, parts.now(), officer=acting.officer_id)
        raise
    return trusted


def _demand_wanted(cases: Sequence[ShownCase], officer: OfficerId) -> None:
    """Something on the note must be wanted: by this officer, or by a quorum.

    Whoever rules the key service can have it sign a note for a key of his own, and open a case to put on it:
    shares that are handed in without looking must not go there. Raises NothingApprovedError.
    """
    for shown in cases:
        if officer in shown.judgement.approved_by or shown.judgement.has_quorum:
            return
    raise NothingApprovedError
