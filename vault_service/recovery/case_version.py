"""Whether an officer's page of a case shows what there is: each page that is open asks every few seconds.

No signature is judged for it: what the page shows is made of rows, the time and the newest manifest alone, so
as long as those are the same the page would be. Whoever changes a row without a right to changes it here too:
the page is then loaded anew, and judges.
"""

import hashlib

from vault_service.domain.ceremony_note import parse_note
from vault_service.domain.ids import CaseId
from vault_service.domain.recovery_errors import CaseNotFoundError, NoteRefusedError
from vault_service.recovery.acting import Acting
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.case_rows import rows_of_case
from vault_service.storage.keys.ceremonies import CeremonyRow, open_ceremonies, released_by


def case_version(parts: RecoveryParts, acting: Acting, case: CaseId) -> str:
    """SHA-256, hex, of all that the page is made of for this officer. Raises CaseNotFoundError."""
    now = parts.now()
    with parts.db.connection() as conn:
        rows = rows_of_case(conn, case, now)
        if rows is None:
            raise CaseNotFoundError
        waiting = [each for each in open_ceremonies(conn, now) if _is_for(each, case)]
        released = released_by(conn, acting.officer_id, [each.ceremony for each in waiting])
    seen = (
        rows, [(each.ceremony, each.note, each.signature) for each in waiting], released,
        acting.authenticator_id, acting.trusted.hashes[-1],
    )  # fmt: skip
    return hashlib.sha256(repr(seen).encode()).hexdigest()


def _is_for(row: CeremonyRow, case: CaseId) -> bool:
    """By what the note says, signed or not: one that is not to be trusted makes the page judge once more."""
    try:
        return any(noted.case_id == case for noted in parse_note(row.note).cases)
    except NoteRefusedError:
        return False
