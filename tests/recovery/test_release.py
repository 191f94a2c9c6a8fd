"""Releasing a share: only to a key that the key service has signed for, over the cases as they are stored."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.recovery.office import Ceremony, Office, key_of
from vault_service.ceremony.officer_key import OfficerKey
from vault_service.domain.case import case_time
from vault_service.domain.ceremony_note import NotedCase, note_hash, release_info
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId, new_uuid
from vault_service.domain.recovery_errors import (
    NoteRefusedError,
    NothingApprovedError,
    ShareMissingError,
)
from vault_service.recovery.acting import act
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.release import release_to, release_to_all

WRONG: dict[str, Any] = {
    "expired": {"expires_at": "2026-01-01T00:00:00.000000Z"},
    "for another token": {"token_serial": "0000000000000000"},
    "newer than the manifests shown": {"manifest_serial": 2},
    "listing a case that there is not": {"cases": (NotedCase(new_uuid(), "ab" * 32),)},
    "with a key that is none": {"ephemeral_pk": "04" + "00" * 64},
}


@pytest.fixture(scope="module")
def shown(office: Office) -> ShownCase:
    """Approved by two: somebody wants it."""
    shown = office.open()
    for name in ("bob", "cleo"):
        office.approve(name, shown)
    return shown


def test_approving_releases_the_share_in_the_same_act_where_a_ceremony_waits(office: Office) -> None:
    shown, other = office.open(), office.open()
    mine, not_mine = office.ceremony([shown]), office.ceremony([other])

    done = office.approve("bob", shown)

    assert [each.ceremony for each in done.releases.released] == [mine.id]
    assert len(office.releases(mine)) == 1
    assert office.releases(not_mine) == ()
    office.close(mine, not_mine)


def test_the_ceremony_alone_opens_it_and_only_as_this_officers_share_of_this_pin(
    office: Office, shown: ShownCase
) -> None:
    ceremony = office.ceremony([shown])
    release_to(office.parts, office.acting("bob"), ceremony.id)
    row, digest = office.releases(ceremony)[0], note_hash(ceremony.body)
    bob = key_of(office.vault.home, "bob")[0].officer

    assert len(ceremony.opens(row.sealed, release_info(digest, bob, 1)).split()) == 20  # SLIP-39 words
    for info in (
        release_info(note_hash(ceremony.body + b" "), bob, 1),
        release_info(digest, key_of(office.vault.home, "ana")[0].officer, 1),
        release_info(digest, bob, 2),
    ):
        with pytest.raises(SealBrokenError):
            ceremony.opens(row.sealed, info)
    other = office.ceremony([shown])
    with pytest.raises(SealBrokenError):
        other.opens(row.sealed, release_info(digest, bob, 1))
    office.close(ceremony, other)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_nothing_is_released_to_a_note_that_is(office: Office, shown: ShownCase, wrong: Any) -> None:
    ceremony = office.ceremony([shown], **wrong)
    _refused(office, ceremony)


def test_nothing_is_released_where_nobody_has_approved_anything(office: Office) -> None:
    """Whoever rules the key service can open a case and have a note signed for a key of his own."""
    ceremony = office.ceremony([office.open()])

    _refused(office, ceremony, NothingApprovedError)


def test_nothing_is_released_to_a_note_that_the_key_service_has_not_signed(
    office: Office, shown: ShownCase
) -> None:
    """Whoever writes to the database puts a key of his own there."""
    _refused(office, office.ceremony([shown], sign=False))


def test_nothing_is_released_to_a_signed_note_whose_key_was_exchanged(
    office: Office, shown: ShownCase
) -> None:
    ceremony = office.ceremony([shown])
    other = office.ceremony([shown])
    office.close(other)
    own = msgspec.structs.replace(ceremony.note, ephemeral_pk=other.note.ephemeral_pk)
    office.sql(
        "UPDATE ceremonies SET note = %(note)s WHERE ceremony_id = %(id)s", note=own.encode(), id=ceremony.id
    )
    _refused(office, ceremony)


def test_nothing_is_released_to_a_note_under_another_ceremonys_id(office: Office, shown: ShownCase) -> None:
    """A genuine note of an ended ceremony, brought back under a new id."""
    ceremony = office.ceremony([shown])
    other = new_uuid()
    office.sql(
        "UPDATE ceremonies SET ceremony_id = %(other)s WHERE ceremony_id = %(id)s",
        other=other,
        id=ceremony.id,
    )
    ceremony.note = msgspec.structs.replace(ceremony.note, ceremony_id=other)
    _refused(office, ceremony)


def test_nothing_is_released_where_one_of_several_cases_is_another_than_stored(
    office: Office, shown: ShownCase
) -> None:
    altered = office.open()
    ceremony = office.ceremony([shown, altered])
    office.sql(
        "UPDATE cases SET body = %(body)s WHERE case_id = %(id)s",
        body=msgspec.structs.replace(altered.case, reason="another").encode(), id=altered.case.case_id,
    )  # fmt: skip
    _refused(office, ceremony)


def test_a_note_that_is_refused_stands_in_the_way_of_no_other(office: Office) -> None:
    shown = office.open()
    planted, genuine = office.ceremony([shown], sign=False), office.ceremony([shown])

    done = office.approve("bob", shown)

    assert [each.ceremony for each in done.releases.released] == [genuine.id]
    assert [ceremony for ceremony, _ in done.releases.refused] == [planted.id]
    office.close(planted, genuine)


def test_each_generation_that_the_note_names_is_released_as_far_as_one_holds_it(
    office: Office, shown: ShownCase
) -> None:
    """While a PIN is being changed, nobody knows which of the two the token has."""
    ceremony = office.ceremony([shown], pin_gens=(1, 2))

    assert release_to(office.parts, office.acting("bob"), ceremony.id).pin_gens == (1,)

    none = office.ceremony([shown], pin_gens=(7,))
    with pytest.raises(ShareMissingError):
        release_to(office.parts, office.acting("bob"), none.id)
    office.close(ceremony, none)


def test_an_ended_ceremony_gets_nothing(office: Office, shown: ShownCase) -> None:
    ceremony = office.ceremony([shown])
    office.close(ceremony)

    with pytest.raises(NoteRefusedError):
        release_to(office.parts, office.acting("bob"), ceremony.id)
    done = release_to_all(office.parts, office.acting("bob"))
    assert ceremony.id not in {each.ceremony for each in done.released}


def test_who_holds_no_share_releases_nothing(office: Office, shown: ShownCase) -> None:
    ceremony = office.ceremony([shown])
    stranger = OfficerKey.generate(OfficerId(new_uuid()), new_uuid(), "dora")
    acting = act(office.parts, stranger, office.parts.fingerprint)

    with pytest.raises(ShareMissingError):
        release_to(office.parts, acting, ceremony.id)
    office.close(ceremony)


def test_the_event_names_the_officer_and_the_note(office: Office, shown: ShownCase) -> None:
    ceremony = office.ceremony([shown])
    release_to(office.parts, office.acting("cleo"), ceremony.id)

    rows = office.sql(
        "SELECT officer_id FROM audit_events WHERE kind = %(kind)s AND digest = %(digest)s",
        kind=int(KeysEvent.SHARE_RELEASED), digest=note_hash(ceremony.body),
    )  # fmt: skip
    assert [UUID(str(row[0])) for row in rows] == [key_of(office.vault.home, "cleo")[0].officer]
    office.close(ceremony)


def _refused(office: Office, ceremony: Ceremony, refusal: type[NoteRefusedError] = NoteRefusedError) -> None:
    before = office.count(KeysEvent.CEREMONY_REFUSED)
    with pytest.raises(refusal):
        release_to(office.parts, office.acting("bob"), ceremony.id)
    assert office.releases(ceremony) == ()
    assert office.count(KeysEvent.CEREMONY_REFUSED) == before + 1
    office.close(ceremony)


def test_the_time_of_a_note_is_the_signed_one(office: Office, shown: ShownCase) -> None:
    """A superuser lets a row live longer; the note does not."""
    ceremony = office.ceremony([shown], expires_at=case_time(office.parts.now()))
    office.sql(
        "UPDATE ceremonies SET expires_at = now() + interval '1 d' WHERE ceremony_id = %(id)s", id=ceremony.id
    )
    _refused(office, ceremony)
