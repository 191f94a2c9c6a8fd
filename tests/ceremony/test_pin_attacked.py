"""What a superuser of the keys database can do to the escrow PIN: be refused, at the cost of one try."""

import contextlib
import os

import pytest

from tests.ceremony.logins import counted_logins
from tests.ceremony.pins import Escrow
from vault_service.ceremony.escrow_token import EscrowPinRefusedError
from vault_service.ceremony.pin_change import prepare_change
from vault_service.ceremony.shares import SharesRefusedError, pin_check_of, sealed_set
from vault_service.domain.errors import ConcurrentChangeError, VaultError
from vault_service.domain.recovery_errors import PinUnknownError


def attack(escrow: Escrow, statement: str, **values: object) -> None:
    with escrow.keys.superuser() as conn:
        conn.execute(statement, values)


def plant(escrow: Escrow, generation: int, state: str) -> None:
    """A secret of the attacker's own, sealed to the officers as a genuine set is."""
    secret = os.urandom(16)
    check = pin_check_of(secret, escrow.manifest.tokens.escrow, generation)
    if state == "active":
        attack(escrow, "UPDATE pin_generations SET state = 'retired' WHERE state = 'active'")
    attack(
        escrow,
        """INSERT INTO pin_generations VALUES (%(gen)s, %(serial)s, %(state)s, %(check)s, now())
           ON CONFLICT (pin_gen) DO UPDATE SET state = excluded.state, pin_check = excluded.pin_check""",
        gen=generation, serial=escrow.manifest.tokens.escrow, state=state, check=check,
    )  # fmt: skip
    attack(escrow, "DELETE FROM shares WHERE generation = %(gen)s", gen=generation)
    for officer, sealed in sealed_set(secret, escrow.manifest, generation).items():
        attack(
            escrow, "INSERT INTO shares VALUES ('escrow-pin', %(gen)s, %(officer)s, %(sealed)s, now())",
            gen=generation, officer=officer, sealed=sealed,
        )  # fmt: skip


@pytest.mark.parametrize("state", ["active", "switching"])
def test_a_planted_generation_costs_one_try_and_the_ceremony_goes_on(escrow: Escrow, state: str) -> None:
    """Officers cannot tell a planted set from a genuine one; the ceremony folder can."""
    plant(escrow, 2, state)

    with counted_logins() as logins:
        assert escrow.opens() == 1
    assert logins == [False, True]
    assert escrow.states() == {1: "active", 2: "void"}


@pytest.mark.parametrize("state", ["active", "switching"])
def test_planted_once_more_it_is_not_even_tried(escrow: Escrow, state: str) -> None:
    plant(escrow, 2, state)
    escrow.opens()
    plant(escrow, 2, state)

    with counted_logins() as logins:
        assert escrow.opens() == 1
    assert logins == [True]


def test_several_planted_generations_cost_one_try(escrow: Escrow) -> None:
    plant(escrow, 2, "active")
    plant(escrow, 3, "switching")

    with counted_logins() as logins, pytest.raises(EscrowPinRefusedError):
        escrow.opens()
    assert logins == [False]

    with counted_logins() as logins:
        assert escrow.opens() == 1
    assert logins.count(False) <= 1


@pytest.mark.parametrize("state", ["prepared", "retired", "void"])
def test_a_state_that_the_folder_contradicts_is_not_believed(escrow: Escrow, state: str) -> None:
    escrow.change()
    attack(escrow, "UPDATE pin_generations SET state = %(state)s WHERE pin_gen = 2", state=state)
    attack(escrow, "UPDATE pin_generations SET state = 'active' WHERE pin_gen = 1")

    with counted_logins() as logins:
        assert escrow.opens() == 2
    assert logins == [True]


def test_a_planted_secret_in_the_genuine_generations_place_is_put_right(escrow: Escrow) -> None:
    plant(escrow, 1, "active")

    with counted_logins() as logins:
        assert escrow.opens() == 1
    assert logins == [True]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pin_generations SET pin_check = sha256('x')",
        "UPDATE pin_generations SET token_serial = 'another'",
        "UPDATE pin_generations SET pin_gen = 7",
        "UPDATE shares SET sealed = 'x'",
        "UPDATE shares SET generation = 7",
        "DELETE FROM shares",
        "DELETE FROM pin_generations",
        "UPDATE pin_generations SET pin_gen = 2147483647",
    ],
)
def test_what_was_altered_costs_no_wrong_pin_beyond_the_one(escrow: Escrow, statement: str) -> None:
    """A clear refusal at worst; with the ceremony folder intact the next PIN is made all the same."""
    attack(escrow, statement)

    with counted_logins() as logins:
        for _ in range(2):
            with contextlib.suppress(VaultError), escrow.opened():
                break
        escrow.change()
    assert logins.count(False) <= 1
    assert escrow.opens() == max(gen for gen, state in escrow.states().items() if state == "active")


def test_without_the_folder_an_altered_check_value_is_a_refusal_without_a_try(escrow: Escrow) -> None:
    for file in escrow.folder.glob("shares-*"):
        file.unlink()
    attack(escrow, "UPDATE pin_generations SET pin_check = sha256('x')")

    with counted_logins() as logins, pytest.raises(SharesRefusedError):
        escrow.opens()
    assert logins == []


def test_without_the_folder_no_active_generation_is_a_refusal_without_a_try(escrow: Escrow) -> None:
    for file in escrow.folder.glob("shares-*"):
        file.unlink()
    attack(escrow, "UPDATE pin_generations SET state = 'void'")

    with counted_logins() as logins, pytest.raises(PinUnknownError, match="active"):
        escrow.opens()
    assert logins == []


def test_a_change_of_the_state_during_a_ceremony_stops_it_before_the_pin_changes(escrow: Escrow) -> None:
    with escrow.opened() as opened:
        change = prepare_change(escrow.parts, opened, escrow.manifest)
        attack(escrow, "UPDATE pin_generations SET state = 'void' WHERE pin_gen = 2")
        with pytest.raises(ConcurrentChangeError):
            change.switch(opened)

    assert escrow.opens() == 1
