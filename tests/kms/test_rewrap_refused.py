"""What the key service demands before it stores a single new escrow wrap, with every page anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kms.casework import ceremony_in, open_case
from tests.kms.chains import key_service
from tests.kms.escrow_keys import Rotating, new_escrow_key
from tests.kms.recoveries import UNSIGNED, officer, sign_call
from tests.rig.people import Person, enrol, kms_of
from tests.rig.postgres import TestServer
from tests.rig.vault import Vault, vault_of_its_own
from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.domain.events import KeysEvent as K
from vault_service.domain.ids import new_uuid
from vault_service.domain.recovery_errors import (
    CaseClosedError,
    CeremonyBusyError,
    NoteRefusedError,
    QuorumNotMetError,
)
from vault_service.domain.rotation_errors import NoRotationError, NothingToRotateError, RotationBusyError
from vault_service.kms.protocol.messages import Done
from vault_service.kms.protocol.recovery_messages import CloseCeremony, OpenCase
from vault_service.kms.protocol.rotation_messages import NewEscrowWrap
from vault_service.kms.recovery.officer_cases import open_case as open_by_officer
from vault_service.kms.service import KeyService


@pytest.fixture(scope="module")
def small(scratch: Path, postgres: TestServer) -> Iterator[Vault]:
    """A vault whose escrow key changes with each test."""
    with vault_of_its_own(scratch, postgres) as vault:
        yield vault


@pytest.fixture(scope="module")
def people(small: Vault) -> list[Person]:
    return [enrol(small, kms_of(small))]


@pytest.fixture(scope="module")
def keys(small: Vault) -> Iterator[KeyService]:
    with key_service(small) as service:
        yield service


@pytest.fixture
def rotating(small: Vault, keys: KeyService, people: list[Person]) -> Rotating:
    return Rotating.begun(small, keys, people)


def new_wraps(rotating: Rotating) -> list[NewEscrowWrap]:
    return [rotating.resealed(wrap) for wrap in rotating.peel()]


def refuses(
    rotating: Rotating, error: type[VaultError], *wraps: NewEscrowWrap, match: str | None = None
) -> None:
    """The page, with an event, and not a wrap is another one afterwards."""
    before = stored(rotating)
    with pytest.raises(error, match=match):
        rotating.store(*wraps)
    assert stored(rotating) == before


def stored(rotating: Rotating) -> list[object]:
    with rotating.file.vault.keys.superuser() as conn:
        return list(conn.execute("SELECT * FROM escrow_wraps ORDER BY user_id"))


def test_one_officer_moves_nothing_whatever_the_table_says(
    small: Vault, keys: KeyService, people: list[Person]
) -> None:
    rotating = Rotating.begun(small, keys, people, "ana")
    with pytest.raises(QuorumNotMetError):
        rotating.peel()

    rotating.file.write("state = 'executing', ceremony_id = %(c)s", c=rotating.ceremony.ceremony_id)

    refuses(rotating, QuorumNotMetError)
    assert rotating.file.events[-1] is K.CEREMONY_REFUSED


def test_nothing_is_stored_before_the_case_is_being_executed(rotating: Rotating) -> None:
    refuses(rotating, CaseClosedError, match="no ceremony has begun")


def test_a_veto_in_the_middle_stops_it_at_the_next_page(rotating: Rotating) -> None:
    new = new_wraps(rotating)
    rotating.file.veto("cleo")

    refuses(rotating, CaseClosedError, *new, match="vetoed")
    assert rotating.file.events[-1] is K.CEREMONY_REFUSED


def test_the_ceremony_that_took_the_case_alone_may_store(rotating: Rotating, small: Vault) -> None:
    new = new_wraps(rotating)
    other = ceremony_in(rotating.file.service)
    other.open(open_case(small, rotating.file.service, "key-ceremony").case.case_id)
    own, rotating.ceremony = rotating.ceremony, other

    refuses(rotating, NoteRefusedError, *new, match="does not list")

    rotating.ceremony = own
    own.call(CloseCeremony(own.ceremony_id), Done)
    refuses(rotating, NoteRefusedError, *new, match="closed")


def test_a_second_ceremony_of_the_case_waits_for_the_end_of_the_first(rotating: Rotating) -> None:
    second = ceremony_in(rotating.file.service)
    second.open(rotating.file.case.case_id)
    new, first = new_wraps(rotating), rotating.ceremony

    rotating.ceremony = second
    refuses(rotating, CeremonyBusyError, *new)

    rotating.ceremony = first
    assert rotating.store(*new).rewrapped == 1


def test_a_pause_takes_back_the_page_and_the_next_ceremony_waits_for_the_operator(
    rotating: Rotating, small: Vault
) -> None:
    new = new_wraps(rotating)
    set_state(small, "paused")

    refuses(rotating, NoRotationError, *new, match="paused")
    with pytest.raises(RotationBusyError):
        rotating.peel()

    set_state(small, "running")
    assert rotating.store(*new).rewrapped == 1
    rotating.complete()


def set_state(vault: Vault, state: str) -> None:
    with vault.keys.superuser() as conn:
        conn.execute("UPDATE rotations SET state = %s WHERE state <> 'finished'", (state,))


def test_what_was_sealed_to_a_key_that_is_current_no_more_is_not_stored(
    rotating: Rotating, small: Vault, keys: KeyService, people: list[Person]
) -> None:
    """The officers read in the case which key everything is sealed to."""
    new = new_wraps(rotating)
    new_escrow_key(small, keys)

    refuses(rotating, CaseClosedError, *new, match="current one by now")
    with pytest.raises(CaseClosedError):
        rotating.peel()
    with pytest.raises(CaseClosedError):
        rotating.complete()

    # A rotation to the newest key takes up what the other one has left.
    again = Rotating.begun(small, keys, people)
    assert again.rest().rewrapped == 1
    again.complete()
    with small.keys.superuser() as conn:
        assert conn.execute("SELECT count(*) FROM rotations WHERE state <> 'finished'").fetchone() == (0,)


def test_a_case_of_another_kind_is_no_authority(rotating: Rotating, small: Vault) -> None:
    """A drill of everybody has the same quorum, but what it peels it may not replace."""
    drill = open_case(small, rotating.file.service, "drill", scope={"sample": None})
    drill.approve("ana", "bob")
    ceremony = ceremony_in(rotating.file.service)
    ceremony.open(drill.case.case_id)
    new = [rotating.resealed(wrap) for wrap in ceremony.peel(drill.case.case_id).wraps]
    rotating.file, rotating.ceremony = drill, ceremony

    refuses(rotating, InvalidInputError, *new, match="no rotation")


def test_wraps_of_nobody_and_of_what_is_done_are_lost(rotating: Rotating) -> None:
    (wrap,) = rotating.peel()
    new = rotating.resealed(wrap)
    stranger = NewEscrowWrap(new_uuid(), wrap.dek_id, new.wrap)
    other_key = NewEscrowWrap(new.user_id, new_uuid(), new.wrap)

    answer = rotating.store(stranger, other_key, new)
    assert (answer.rewrapped, answer.lost) == (1, 2)

    before = stored(rotating)
    answer = rotating.store(rotating.resealed(wrap))
    assert (answer.rewrapped, answer.lost) == (0, 1)
    assert stored(rotating) == before


def test_what_stands_already_is_no_loss_to_whoever_sends_it_again(rotating: Rotating) -> None:
    """Its answer got lost; nothing is written a second time."""
    new = rotating.resealed(rotating.peel()[0])
    rotating.store(new)
    before = stored(rotating)

    answer = rotating.store(new)

    assert (answer.rewrapped, answer.lost) == (1, 0)
    assert stored(rotating) == before


def test_officers_are_not_asked_for_nothing(rotating: Rotating, small: Vault, keys: KeyService) -> None:
    request = OpenCase(new_uuid(), "escrow-rotation", "", UNSIGNED)
    assert open_by_officer(keys, sign_call(officer(small.home, "ana"), request)).body
    rotating.rest()
    rotating.complete()

    request = OpenCase(new_uuid(), "escrow-rotation", "", UNSIGNED)
    with pytest.raises(NothingToRotateError):
        open_by_officer(keys, sign_call(officer(small.home, "ana"), request))
