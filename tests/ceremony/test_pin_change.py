"""The escrow PIN is replaced at the end of each ceremony."""

import os
from pathlib import Path

import pytest

from tests.ceremony.pins import Escrow
from tests.promises.state import State
from vault_service.ceremony.bundle import read_bundle
from vault_service.ceremony.escrow_token import EscrowPinRefusedError, open_escrow_token
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.shares import pin_of
from vault_service.domain.events import KeysEvent as K

PIN_TABLES = ("pin_generations", "shares")


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


def test_what_a_change_does_to_a_table_stands_in_a_transaction_with_its_event(escrow: Escrow) -> None:
    before = State.of(escrow.keys)

    escrow.change()

    left = State.of(escrow.keys).since(before)
    events = {tx % 2**32 for tx, _ in left.events.values()}
    changed = {xmin for (table, _), xmin in left.rows.items() if table in PIN_TABLES}
    assert changed
    assert changed <= events


def test_before_a_pin_counts_the_token_and_the_shares_are_on_disk(
    escrow: Escrow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM writes without fsync: a power cut after `active` must not bring the old PIN back."""
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        real(descriptor)

    with escrow.opened() as opened:
        change = prepare_change(escrow.parts, opened, escrow.manifest)
        monkeypatch.setattr(os, "fsync", fsync)
        change.switch(opened)
    shares = ["shares-2.json.new", "ceremony"]
    assert synced == shares, "switching is on disk before the token is asked"
    synced.clear()
    change.confirm()

    token = synced.index("token.object")
    assert synced[-2:] == shares
    assert token < len(synced) - 2


def test_a_change_that_was_prepared_and_left_is_void_at_the_next_ceremony(escrow: Escrow) -> None:
    with escrow.opened() as opened:
        prepare_change(escrow.parts, opened, escrow.manifest)
    assert escrow.states() == {1: "active", 2: "prepared"}

    assert escrow.opens() == 1

    assert escrow.states() == {1: "active", 2: "void"}
    assert escrow.shares_of() == {1: 3}
    assert K(escrow.events()[-1]) == K.PIN_VOID
    assert escrow.change() == 3, "a number is never used again"


def test_the_new_pin_is_not_confirmed_by_the_process_that_still_knows_the_old_login(escrow: Escrow) -> None:
    """A module that was begun before the change takes the old PIN: each login begins it anew."""
    with escrow.opened() as opened:
        change = prepare_change(escrow.parts, opened, escrow.manifest)
        change.switch(opened)
        old = opened.pin
    change.confirm()

    with pytest.raises(EscrowPinRefusedError), open_escrow_token(escrow.place, old):
        pytest.fail("the old PIN opens it")
