"""Release one's share of the escrow PIN: sealed to the key of one ceremony, which the key service has signed.

With a key file, the words of the share are in this process for a moment, and nowhere else in the clear. With
a passkey they are in the officer's browser alone: this process sees the share sealed to the officer, and then
sealed to the ceremony.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vault_service.ceremony.shares import ESCROW_PIN, share_info
from vault_service.crypto.hpke import seal_to
from vault_service.crypto.share_key import may_be_sealed
from vault_service.domain.ceremony_note import release_info
from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, CeremonyId, new_uuid
from vault_service.domain.recovery_errors import NoteRefusedError, ShareMissingError
from vault_service.recovery.acting import Acting, ActingWithKey
from vault_service.recovery.kept_shares import (
    OwnShares,
    ShareBook,
    keep_new_shares,
    keep_unopened_shares,
    own_words,
    unopened,
)
from vault_service.recovery.notes import TrustedNote
from vault_service.recovery.parts import RecoveryParts
from vault_service.recovery.wanted_notes import NOT_TRUSTED, trusted_note, waiting_ceremonies
from vault_service.storage.keys.ceremonies import (
    CeremonyRow,
    ReleaseRow,
    find_ceremony,
    insert_release,
)
from vault_service.storage.keys.events import insert_event


@dataclass(frozen=True, slots=True)
class Released:
    """One ceremony that has this officer's share now."""

    ceremony: CeremonyId
    cases: tuple[CaseId, ...]
    pin_gens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeldShare:
    """For the browser: open `sealed` and seal what is in it to the ceremony.

    Several of one ceremony and PIN are tried in their order; the first that opens is the share.
    """

    ceremony: CeremonyId
    pin_gen: int
    sealed: bytes = field(repr=False)  # HPKE (P-256) to the officer's share key
    open_info: bytes = field(repr=False)
    ephemeral_pk: bytes  # the ceremony's, 65 bytes
    release_info: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Releases:
    """What came of it; a note that is not to be trusted stands in the way of no other."""

    released: tuple[Released, ...]
    refused: tuple[tuple[CeremonyId, VaultError], ...] = field(default=())


Sealed = tuple[CeremonyId, int, bytes]
"""From a browser: which ceremony, which PIN, the share sealed to the ceremony."""


def release_to(parts: RecoveryParts, acting: ActingWithKey, ceremony: CeremonyId) -> Released:
    """Release to one ceremony.

    Raises NoteRefusedError, NotPermittedError, ShareMissingError, once the refusal is recorded.
    """
    with parts.db.connection() as conn:
        row = find_ceremony(conn, ceremony)
    if row is None or row.closed_at is not None:
        raise NoteRefusedError("there is no such ceremony, or it has ended")
    own = keep_new_shares(parts, acting.key, acting.manifest.tokens.escrow)
    return _release(parts, acting, own, row, trusted_note(parts, acting, row))


def release_to_all(parts: RecoveryParts, acting: ActingWithKey, case: CaseId | None = None) -> Releases:
    """Release to every ceremony that waits for shares; `case`: only where it is listed."""
    released: list[Released] = []
    refused: list[tuple[CeremonyId, VaultError]] = []
    own = keep_new_shares(parts, acting.key, acting.manifest.tokens.escrow)
    for row in waiting_ceremonies(parts, case):
        try:
            released.append(_release(parts, acting, own, row, trusted_note(parts, acting, row)))
        except (*NOT_TRUSTED, ShareMissingError) as error:
            refused.append((row.ceremony, error))
    return Releases(tuple(released), tuple(refused))


def shares_to_release(parts: RecoveryParts, acting: Acting, case: CaseId | None) -> tuple[HeldShare, ...]:
    """What the browser may release, to each ceremony that waits and is to be trusted.

    `case`: only where it is listed; the officer is about to approve it, and hands in afterwards. A note that
    is refused is recorded, and stands in the way of no other.
    """
    book = keep_unopened_shares(parts, acting.officer_id)
    serial, found = acting.manifest.tokens.escrow, list[HeldShare]()
    for row in waiting_ceremonies(parts, case):
        try:
            trusted = trusted_note(parts, acting, row, about_to_approve=case)
        except NOT_TRUSTED:
            continue
        found += [
            HeldShare(
                row.ceremony,
                generation,
                sealed,
                share_info(ESCROW_PIN, serial, generation, acting.officer_id),
                bytes.fromhex(trusted.note.ephemeral_pk),
                release_info(trusted.digest, acting.officer_id, generation),
            )
            for generation in trusted.note.pin_gens
            for sealed in unopened(parts, book, generation)
        ]
    return tuple(found)


def hand_in(parts: RecoveryParts, acting: Acting, shares: Sequence[Sealed]) -> Releases:
    """Hand shares in that the browser sealed; each note is looked at again.

    A note that is not to be trusted (any more) stands in the way of no other, and is told.
    """
    book = keep_unopened_shares(parts, acting.officer_id)
    released: list[Released] = []
    refused: list[tuple[CeremonyId, VaultError]] = []
    for ceremony in dict.fromkeys(each[0] for each in shares):
        own = [each for each in shares if each[0] == ceremony]
        try:
            released.append(_hand_in(parts, acting, book, ceremony, own))
        except (*NOT_TRUSTED, ShareMissingError, InvalidInputError) as error:
            refused.append((ceremony, error))
    return Releases(tuple(released), tuple(refused))


def _hand_in(
    parts: RecoveryParts, acting: Acting, book: ShareBook, ceremony: CeremonyId, shares: Sequence[Sealed]
) -> Released:
    with parts.db.connection() as conn:
        row = find_ceremony(conn, ceremony)
    if row is None or row.closed_at is not None:
        raise NoteRefusedError("there is no such ceremony, or it has ended")
    trusted = trusted_note(parts, acting, row)
    by_pin = {pin_gen: sealed for _, pin_gen, sealed in shares}
    if len(by_pin) != len(shares) or not by_pin.keys() <= set(trusted.note.pin_gens):
        raise InvalidInputError(
            "share", "a share is for a PIN that the ceremony does not ask for, or comes twice"
        )
    if not all(map(may_be_sealed, by_pin.values())):
        raise InvalidInputError("share", "a share does not have the size of one")
    rows = [ReleaseRow(acting.officer_id, *each) for each in by_pin.items()]
    for generation in by_pin:
        tried = unopened(parts, book, generation)
        if len(tried) == 1:  # of several, the browser alone knows which one opened
            book.keep(generation, tried[0], "noted")
    return _record(parts, acting, row, trusted, rows)


def _release(
    parts: RecoveryParts, acting: ActingWithKey, own: OwnShares, row: CeremonyRow, trusted: TrustedNote
) -> Released:
    note, digest, officer = trusted.note, trusted.digest, acting.officer_id
    rows: list[ReleaseRow] = []
    for generation in note.pin_gens:
        found = own_words(parts, own, generation)
        if found is None:
            continue  # while a PIN is being changed: an officer may hold one of the two only
        words, sealed = found
        sealed_words = seal_to(
            bytes.fromhex(note.ephemeral_pk), release_info(digest, officer, generation), words.encode("ascii")
        )
        rows.append(ReleaseRow(officer, generation, sealed_words))
        own.book.keep(generation, sealed, "noted")
    if not rows:
        raise ShareMissingError(f"no share of yours opens for PIN {', '.join(map(str, note.pin_gens))}")
    return _record(parts, acting, row, trusted, rows)


def _record(
    parts: RecoveryParts,
    acting: Acting,
    row: CeremonyRow,
    trusted: TrustedNote,
    rows: Sequence[ReleaseRow],
) -> Released:
    """Hand sealed shares to a ceremony."""
    now = parts.now()
    with parts.db.transaction() as conn:
        for each in rows:
            insert_release(conn, row.ceremony, new_uuid(), each, now)
        insert_event(conn, KeysEvent.SHARE_RELEASED, now, digest=trusted.digest, officer=acting.officer_id)
    cases = tuple(CaseId(noted.case_id) for noted in trusted.note.cases)
    return Released(row.ceremony, cases, tuple(each.pin_gen for each in rows))
