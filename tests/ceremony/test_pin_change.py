"""The escrow PIN is replaced at the end of each ceremony."""

import pytest

from tests.ceremony.pins import Escrow
from vault_service.ceremony.bundle import read_bundle
from vault_service.ceremony.escrow_token import EscrowPinRefusedError, open_escrow_token
from vault_service.ceremony.shares import pin_of
from vault_service.domain.events import KeysEvent as K


def test_after_a_ceremony_the_released_shares_open_nothing_and_the_new_ones_do(escrow: Escrow) -> None:
    released = escrow.released()

    assert escrow.change() == 2

    with pytest.raises(EscrowPinRefusedError), open_escrow_token(escrow.place, pin_of(released[1])):
        pytest.fail("the old PIN still opens the token")
    assert escrow.opens() == 2
    assert escrow.states() == {1: "retired", 2: "active"}


def test_each_step_leaves_its_event(escrow: Escrow) -> None:
    before = len(escrow.events())

    escrow.change()

    left = [K(kind) for kind in escrow.events()[before:]]
    assert sorted(left[:2], key=int) == [K.SHARES_STORED, K.PIN_PREPARED]
    assert left[2:] == [K.PIN_SWITCHING, K.PIN_ACTIVE]


def test_the_old_shares_are_deleted_by_the_next_ceremony_only(escrow: Escrow) -> None:
    escrow.change()
    assert escrow.shares_of() == {1: 3, 2: 3}
    assert set(read_bundle(escrow.folder).sets) == {1, 2}

    escrow.opens()
    assert escrow.shares_of() == {2: 3}
    assert set(read_bundle(escrow.folder).sets) == {2}


def test_any_two_officers_open_it_after_many_changes(escrow: Escrow) -> None:
    assert [escrow.change() for _ in range(3)] == [2, 3, 4]

    for pair in (("ana", "bob"), ("ana", "cleo"), ("bob", "cleo")):
        with escrow.opened(pair) as opened:
            assert opened.generation == 4
