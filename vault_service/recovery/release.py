"""Release one's share of the escrow PIN: sealed to the key of one ceremony, which the key service has signed.

The words of the share are in this process for a moment, and nowhere else in the clear.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vault_service.crypto.hpke import seal_to
from vault_service.domain.ceremony_note import parse_note, release_info
from vault_service.domain.errors import VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, OfficerId, new_uuid
from vault_service.domain.recovery_errors import (
    CaseNotFoundError,
    CaseRefusedError,
    NoteRefusedError,
    NothingApprovedError,
    NotPermittedError,
    ShareMissingError,
)
from vault_service.recovery.acting import Acting
from vault_service.recovery.cases import ShownCase, read_case
from vault_service.recovery.kept_shares import ShareBook, keep_new_shares, own_words
from vault_service.recovery.notes import TrustedNote, verify_note
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.ceremonies import (
    CeremonyRow,
    ReleaseRow,
    find_ceremony,
    insert_release,
    open_ceremonies,
)
from vault_service.storage.keys.events import insert_event

_NOT_TRUSTED = (NoteRefusedError, CaseRefusedError, CaseNotFoundError, NotPermittedError)


@dataclass(frozen=True, slots=True)
class Released:
    """One ceremony that has this officer's share now."""

    ceremony: CeremonyId
    cases: tuple[CaseId, ...]
    pin_gens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Releases:
    """What came of it; a note that is not to be trusted stands in the way of no other."""

    released: tuple[Released, ...]
    refused: tuple[tuple[CeremonyId, VaultError], ...] = field(default=())


def release_to(parts: RecoveryParts, acting: Acting, ceremony: CeremonyId) -> Released:
    """Release to one ceremony.

    Raises NoteRefusedError, NotPermittedError, ShareMissingError, once the refusal is recorded.
    """
    with parts.db.connection() as conn:
        row = find_ceremony(conn, ceremony)
    if row is None or row.closed_at is not None:
        raise NoteRefusedError("there is no such ceremony, or it has ended")
    book = keep_new_shares(parts, acting.key, acting.manifest.tokens.escrow)
    return _release(parts, acting, book, row, _trusted(parts, acting, row))


def release_to_all(parts: RecoveryParts, acting: Acting, case: CaseId | None = None) -> Releases:
    """Release to every ceremony that waits for shares; `case`: only where it is listed."""
    released: list[Released] = []
    refused: list[tuple[CeremonyId, VaultError]] = []
    book = keep_new_shares(parts, acting.key, acting.manifest.tokens.escrow)
    with parts.db.connection() as conn:
        rows = open_ceremonies(conn, parts.now())
    for row in rows:
        if case is not None and not _claims(row, case):
            continue
        try:
            released.append(_release(parts, acting, book, row, _trusted(parts, acting, row)))
        except (*_NOT_TRUSTED, ShareMissingError) as error:
            refused.append((row.ceremony, error))
    return Releases(tuple(released), tuple(refused))


def _claims(row: CeremonyRow, case: CaseId) -> bool:
    """Whether the note says that the ceremony is for this case; whether it is to be believed comes next."""
    try:
        note = parse_note(row.note)
    except NoteRefusedError:
        return False
    return any(noted.case_id == case for noted in note.cases)


def _trusted(parts: RecoveryParts, acting: Acting, row: CeremonyRow) -> TrustedNote:
    """Who is not an officer any more may still hand in a share: a ceremony that changed the officers and
    died before it split the PIN anew can be opened by the old holders alone. It decides nothing."""
    try:
        trusted = verify_note(parts, acting.trusted, row)
        named = [each for each in acting.manifest.officers if each.officer_id == acting.key.officer]
        cases = [read_case(parts, acting.trusted, CaseId(noted.case_id)) for noted in trusted.note.cases]
        for shown in cases:
            for officer in named:
                parts.authority.demand(officer, "release", shown.case)
        _demand_wanted(cases, acting.key.officer)
    except _NOT_TRUSTED:
        with parts.db.transaction() as conn:
            insert_event(conn, KeysEvent.CEREMONY_REFUSED, parts.now(), officer=acting.key.officer)
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


def _release(
    parts: RecoveryParts, acting: Acting, book: ShareBook, row: CeremonyRow, trusted: TrustedNote
) -> Released:
    note, digest, officer = trusted.note, trusted.digest, acting.key.officer
    rows: list[ReleaseRow] = []
    for generation in note.pin_gens:
        found = own_words(parts, book, generation)
        if found is None:
            continue  # while a PIN is being changed: an officer may hold one of the two only
        words, sealed = found
        sealed_words = seal_to(
            bytes.fromhex(note.ephemeral_pk), release_info(digest, officer, generation), words.encode("ascii")
        )
        rows.append(ReleaseRow(officer, generation, sealed_words))
        book.keep(generation, sealed, "noted")
    if not rows:
        raise ShareMissingError(f"no share of yours opens for PIN {', '.join(map(str, note.pin_gens))}")
    now = parts.now()
    with parts.db.transaction() as conn:
        for each in rows:
            insert_release(conn, row.ceremony, new_uuid(), each, now)
        insert_event(conn, KeysEvent.SHARE_RELEASED, now, digest=digest, officer=officer)
    cases = tuple(CaseId(noted.case_id) for noted in note.cases)
    return Released(row.ceremony, cases, tuple(each.pin_gen for each in rows))
