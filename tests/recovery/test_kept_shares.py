"""Officers' hosts keep their last sealed shares: a restored older database locks no escrow."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.recovery.office import Ceremony, Office
from vault_service.ceremony.shares import ESCROW_PIN, seal_share
from vault_service.domain.ceremony_note import note_hash, release_info
from vault_service.domain.errors import UnavailableError
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Officer
from vault_service.domain.recovery_errors import ShareMissingError
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.kept_shares import ShareBook
from vault_service.recovery.release import release_to, release_to_all


@pytest.fixture
def desk(office: Office, tmp_path: Path) -> Iterator[Office]:
    """The same vault seen from a host of its own; the shares are as they were afterwards."""
    before = office.sql("SELECT purpose, generation, officer_id, sealed, created_at FROM shares")
    yield dataclasses.replace(office, parts=dataclasses.replace(office.parts, state_dir=tmp_path))
    office.sql("DELETE FROM shares")
    for row in before:
        office.sql(
            """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
               VALUES (%(p)s, %(g)s, %(o)s, %(s)s, %(c)s)""",
            p=row[0], g=row[1], o=row[2], s=row[3], c=row[4],
        )  # fmt: skip


@pytest.fixture(scope="module")
def shown(office: Office) -> ShownCase:
    """Approved by two: somebody wants it."""
    shown = office.open()
    for name in ("bob", "cleo"):
        office.approve(name, shown)
    return shown


def plant(office: Office, generation: int, words: str = "rubbish") -> None:
    """Anybody can seal something to an officer: the key for it is public."""
    bob: Officer = office.acting("bob").officer
    serial = office.acting("bob").manifest.tokens.escrow
    sealed = seal_share(bob, words, purpose=ESCROW_PIN, token_serial=serial, generation=generation)
    office.sql(
        """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
           VALUES (%(purpose)s, %(generation)s, %(officer)s, %(sealed)s, now())
           ON CONFLICT (purpose, generation, officer_id) DO UPDATE SET sealed = excluded.sealed""",
        purpose=ESCROW_PIN, generation=generation, officer=bob.officer_id, sealed=sealed,
    )  # fmt: skip


def test_a_share_that_the_database_lost_is_released_from_what_was_kept(
    desk: Office, shown: ShownCase
) -> None:
    release_to_all(desk.parts, desk.acting("bob"))  # whatever an officer does, the newest are kept
    desk.sql("DELETE FROM shares")
    ceremony = desk.ceremony([shown])

    assert release_to(desk.parts, desk.acting("bob"), ceremony.id).pin_gens == (1,)
    desk.close(ceremony)


def test_without_a_copy_there_is_nothing_to_release(desk: Office, shown: ShownCase) -> None:
    desk.sql("DELETE FROM shares")
    ceremony = desk.ceremony([shown])

    with pytest.raises(ShareMissingError):
        release_to(desk.parts, desk.acting("bob"), ceremony.id)
    desk.close(ceremony)


def test_a_share_that_was_overwritten_in_the_database_is_replaced_by_the_copy(
    desk: Office, shown: ShownCase
) -> None:
    release_to_all(desk.parts, desk.acting("bob"))
    desk.sql("UPDATE shares SET sealed = set_byte(sealed, 1200, 255 - get_byte(sealed, 1200))")
    ceremony = desk.ceremony([shown])

    assert release_to(desk.parts, desk.acting("bob"), ceremony.id).pin_gens == (1,)
    desk.close(ceremony)


def test_what_was_kept_is_still_sealed_and_its_owners_alone(desk: Office) -> None:
    release_to_all(desk.parts, desk.acting("bob"))

    files = list(desk.parts.state_dir.glob("share-*"))
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert len(files[0].read_bytes()) > 1120  # an X-Wing ciphertext, and then the words in the dark


def test_rubbish_under_higher_numbers_does_not_push_out_the_share_that_a_ceremony_has_used(
    desk: Office, shown: ShownCase
) -> None:
    """A superuser plants a flood of it, waits, and takes the genuine one away."""
    first = desk.ceremony([shown])
    release_to(desk.parts, desk.acting("bob"), first.id)
    for generation in (900, 901, 902):
        plant(desk, generation)
        release_to_all(desk.parts, desk.acting("bob"))
    plant(desk, 1)  # and overwrites it with rubbish that opens

    second = desk.ceremony([shown])
    release_to(desk.parts, desk.acting("bob"), second.id)

    assert [len(_words(desk, ceremony)) for ceremony in (first, second)] == [20, 20]  # not "rubbish"
    desk.close(first, second)


def test_no_more_than_two_of_each_are_kept(desk: Office) -> None:
    for generation in (2, 3, 4):
        plant(desk, generation)
        release_to_all(desk.parts, desk.acting("bob"))

    kept = sorted(path.name.rsplit("-", 1)[1] for path in desk.parts.state_dir.glob("share-*"))
    assert kept == ["3.seen", "4.seen"]


def _words(office: Office, ceremony: Ceremony) -> list[bytes]:
    bob, row = office.acting("bob").key.officer, office.releases(ceremony)[-1]
    return ceremony.opens(row.sealed, release_info(note_hash(ceremony.body), bob, 1)).split()


def test_a_copy_that_cannot_be_read_is_told_with_its_folder(tmp_path: Path) -> None:
    """Whoever once worked here as another user of the host left files that this one may not read."""
    book = ShareBook(tmp_path, OfficerId(uuid4()))
    book.keep(1, b"sealed", "seen")
    (copy,) = tmp_path.iterdir()
    copy.unlink()
    copy.mkdir()  # like a file without permission, for root too

    for act in (lambda: book.kept(1, "seen"), lambda: book.keep(1, b"sealed", "seen")):
        with pytest.raises(UnavailableError, match=str(tmp_path)):
            act()
