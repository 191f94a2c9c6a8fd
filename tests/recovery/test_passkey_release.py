"""A share is released from the officer's browser: this host sees it sealed, before and after."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from tests.recovery.office import Ceremony
from tests.recovery.passkeys import PasskeyOffice
from tests.rig.passkeys import SoftPasskey, open_sealed
from vault_service.ceremony.shares import ESCROW_PIN, seal_share
from vault_service.domain.ceremony_note import note_hash, release_info
from vault_service.domain.errors import InvalidInputError, SealBrokenError
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CeremonyId, new_uuid
from vault_service.domain.recovery_errors import NoteRefusedError, NothingApprovedError
from vault_service.recovery.cases import ShownCase
from vault_service.recovery.decide import submit
from vault_service.recovery.release import Sealed, hand_in, shares_to_release


@pytest.fixture
def desk(passkeys: PasskeyOffice, tmp_path: Path) -> Iterator[PasskeyOffice]:
    """A console's host that has kept nothing yet; afterwards the shares are as they were."""
    office = passkeys.office
    before = office.sql("SELECT purpose, generation, officer_id, sealed, created_at FROM shares")
    office.sql("UPDATE ceremonies SET closed_at = now() WHERE closed_at IS NULL")
    yield passkeys.at(tmp_path / "state")
    office.sql("DELETE FROM shares")
    for purpose, generation, officer, sealed, created in before:
        office.sql(
            """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
               VALUES (%(purpose)s, %(generation)s, %(officer)s, %(sealed)s, %(created)s)""",
            purpose=purpose, generation=generation, officer=officer, sealed=sealed, created=created,
        )  # fmt: skip


@pytest.fixture
def shown(passkeys: PasskeyOffice) -> ShownCase:
    return passkeys.office.open(by="ana")


def approved(desk: PasskeyOffice, shown: ShownCase) -> ShownCase:
    """By bob, before any ceremony waits."""
    submit(desk.office.parts, desk.bob.acting, shown, desk.bob.decide(shown, "approve"))
    return shown


def plant(desk: PasskeyOffice, generation: int, words: str = "rubbish", sealed: bytes | None = None) -> None:
    """Anybody can seal something to an officer: the key for it is public."""
    bob = desk.bob.acting
    if sealed is None:
        serial = bob.manifest.tokens.escrow
        sealed = seal_share(
            bob.officer, words, purpose=ESCROW_PIN, token_serial=serial, generation=generation
        )
    desk.office.sql(
        """INSERT INTO shares (purpose, generation, officer_id, sealed, created_at)
           VALUES (%(purpose)s, %(generation)s, %(officer)s, %(sealed)s, now())
           ON CONFLICT (purpose, generation, officer_id) DO UPDATE SET sealed = excluded.sealed""",
        purpose=ESCROW_PIN, generation=generation, officer=bob.officer_id, sealed=sealed,
    )  # fmt: skip


def held_from(desk: PasskeyOffice, ceremony: Ceremony) -> list[Sealed]:
    """What bob's browser would hand in."""
    return [
        each
        for each in desk.bob.sealed_anew(shares_to_release(desk.bob.parts, desk.bob.acting, None))
        if each[0] == ceremony.id
    ]


def test_one_touch_approves_and_releases_to_the_ceremony_of_that_case(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    mine, not_mine = desk.office.ceremony([shown]), desk.office.ceremony([desk.office.open()])

    releases = desk.bob.approve(shown)

    assert [each.ceremony for each in releases.released] == [mine.id]
    assert releases.released[0].cases == (shown.case_id,)
    assert len(desk.words(mine, desk.bob).split()) == 20  # SLIP-39 words
    assert desk.office.releases(not_mine) == ()
    with pytest.raises(SealBrokenError):  # as nobody else's share
        mine.opens(
            desk.office.releases(mine)[0].sealed,
            release_info(note_hash(mine.body), desk.cleo.acting.officer_id, 1),
        )


def test_what_is_wanted_already_is_released_later(desk: PasskeyOffice, shown: ShownCase) -> None:
    ceremony = desk.office.ceremony([approved(desk, shown)])
    assert [each.ceremony for each in desk.bob.release().released] == [ceremony.id]
    assert len(desk.words(ceremony, desk.bob).split()) == 20


def test_the_browser_gets_nothing_to_release_to_what_nobody_wants(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    """A key service in wrong hands signs a note for a key of its own, over a case that it opened itself."""
    ceremony, parts, bob = desk.office.ceremony([shown]), desk.bob.parts, desk.bob.acting
    refused = desk.office.count(KeysEvent.CEREMONY_REFUSED)

    assert shares_to_release(parts, bob, None) == ()
    assert desk.office.count(KeysEvent.CEREMONY_REFUSED) == refused + 1
    before_approval = desk.bob.sealed_anew(shares_to_release(parts, bob, shown.case_id))
    releases = hand_in(parts, bob, before_approval)  # without the approval that it was to go with

    assert releases.released == ()
    assert isinstance(releases.refused[0][1], NothingApprovedError)
    assert desk.office.releases(ceremony) == ()
    assert desk.office.count(KeysEvent.CEREMONY_REFUSED) == refused + 2


def test_a_note_that_nobody_signed_gets_nothing_and_hides_no_other(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    approved(desk, shown)
    forged, genuine = desk.office.ceremony([shown], sign=False), desk.office.ceremony([shown])
    held = shares_to_release(desk.bob.parts, desk.bob.acting, None)
    assert {each.ceremony for each in held} == {genuine.id}

    ((_, pin_gen, sealed),) = desk.bob.sealed_anew(held)
    releases = hand_in(
        desk.bob.parts, desk.bob.acting, [(forged.id, pin_gen, sealed), (genuine.id, pin_gen, sealed)]
    )
    assert [each.ceremony for each in releases.released] == [genuine.id]
    assert [ceremony for ceremony, _ in releases.refused] == [forged.id]
    assert desk.office.releases(forged) == ()


def test_a_ceremony_that_has_ended_takes_nothing(desk: PasskeyOffice, shown: ShownCase) -> None:
    ceremony = desk.office.ceremony([approved(desk, shown)])
    sealed = held_from(desk, ceremony)
    desk.office.close(ceremony)
    for shares in (sealed, [(CeremonyId(new_uuid()), 1, bytes(200))]):
        releases = hand_in(desk.bob.parts, desk.bob.acting, shares)
        assert isinstance(releases.refused[0][1], NoteRefusedError)
    assert desk.office.releases(ceremony) == ()


@pytest.mark.parametrize("what", ["another PIN", "one PIN twice", "too long", "too short", "empty"])
def test_what_can_be_no_share_is_not_stored(desk: PasskeyOffice, shown: ShownCase, what: str) -> None:
    """Whatever a browser sends; a ceremony reads it all."""
    ceremony = desk.office.ceremony([approved(desk, shown)])
    sealed = bytes(200)
    handed_in: dict[str, list[Sealed]] = {
        "another PIN": [(ceremony.id, 1, sealed), (ceremony.id, 2, sealed)],
        "one PIN twice": [(ceremony.id, 1, sealed), (ceremony.id, 1, sealed)],
        "too long": [(ceremony.id, 1, bytes(1000))],
        "too short": [(ceremony.id, 1, bytes(81))],
        "empty": [(ceremony.id, 1, b"")],
    }
    releases = hand_in(desk.bob.parts, desk.bob.acting, handed_in[what])
    assert isinstance(releases.refused[0][1], InvalidInputError)
    assert desk.office.releases(ceremony) == ()


# --- what this host keeps


def test_a_share_that_the_database_lost_is_released_from_what_was_kept(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    desk.bob.release()  # whatever an officer does, the newest are kept
    desk.office.sql("DELETE FROM shares")
    ceremony = desk.office.ceremony([approved(desk, shown)])
    assert [each.pin_gens for each in desk.bob.release().released] == [(1,)]
    assert len(desk.words(ceremony, desk.bob).split()) == 20


@pytest.mark.parametrize("rubbish", [bytes(200), os.urandom(200), b"", bytes(5000)], ids=range(4))
def test_rubbish_in_the_database_is_tried_in_vain_and_what_was_kept_opens(
    desk: PasskeyOffice, shown: ShownCase, rubbish: bytes
) -> None:
    desk.bob.release()
    plant(desk, 1, sealed=rubbish)
    ceremony = desk.office.ceremony([approved(desk, shown)])
    assert [each.pin_gens for each in desk.bob.release().released] == [(1,)]
    assert len(desk.words(ceremony, desk.bob).split()) == 20


def test_a_flood_of_rubbish_does_not_push_out_the_share_that_a_ceremony_has_used(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    first = desk.office.ceremony([approved(desk, shown)])
    desk.bob.release()
    desk.office.close(first)
    for generation in (900, 901, 902):
        plant(desk, generation)
        desk.bob.release()
    plant(desk, 1)  # and overwrites it with rubbish that opens

    second = desk.office.ceremony([shown])
    desk.bob.release()
    assert desk.words(second, desk.bob) == desk.words(first, desk.bob) != "rubbish"
    kept = sorted(path.name.rsplit("-", 1)[1] for path in desk.bob.parts.state_dir.glob("share-*"))
    assert kept == ["1.noted", "901.seen", "902.seen"]


def test_a_set_that_a_ceremony_puts_in_another_s_place_is_the_one_that_counts(
    desk: PasskeyOffice, shown: ShownCase
) -> None:
    """A ceremony that died and goes on splits the PIN anew under the same number."""
    desk.bob.release()
    plant(desk, 1, "the words of the new set")
    ceremony = desk.office.ceremony([approved(desk, shown)])
    desk.bob.release()
    assert desk.words(ceremony, desk.bob) == "the words of the new set"


def test_another_passkey_opens_nothing_of_it(desk: PasskeyOffice, shown: ShownCase) -> None:
    """Whoever has the manifest, the database and what is kept here, but not the secret of the passkey."""
    desk.office.ceremony([approved(desk, shown)])
    (held,) = shares_to_release(desk.bob.parts, desk.bob.acting, None)
    thief = SoftPasskey(key=desk.bob.passkey.key, credential_id=desk.bob.passkey.credential_id)
    with pytest.raises(InvalidTag):
        thief.unwrapped(desk.bob.acting.officer, desk.bob.parts.fingerprint)
    with pytest.raises(SealBrokenError):
        open_sealed(thief.share_private, held.open_info, held.sealed)
