"""kill -9 at every step of a PIN change: one complete share set opens the token, and doctor says which."""

import pytest

from tests.ceremony.killed import SetPin, run
from tests.ceremony.logins import counted_logins
from tests.ceremony.pins import Escrow
from vault_service.cli.doctor_escrow import examine_pin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MAX_STEPS = 100
REPAIR_STEPS = 26  # about as many as opening the token and recording what opened it has


def named_by_doctor(escrow: Escrow) -> list[int]:
    """The generations whose shares doctor says open the token."""
    (found,) = [each for each in examine_pin(escrow.parts, escrow.manifest) if each.check == "escrow PIN"]
    said = found.detail.partition(" open")[0]
    return [int(word) for word in said.replace(",", "").split() if word.isdecimal()]


def opens_with_what_doctor_names(escrow: Escrow, what: str) -> int:
    """The next ceremony: it settles everything, with one wrong PIN at the most."""
    named = named_by_doctor(escrow)
    with counted_logins() as logins:
        opened = escrow.opens()

    assert opened in named, f"{what}: doctor named {named}, and it was {opened}"
    assert logins.count(False) < len(named) <= 2, f"{what}: {logins}"
    assert escrow.shares_of() == {opened: 3}, what
    assert [gen for gen, state in escrow.states().items() if state == "active"] == [opened], what
    assert {state for gen, state in escrow.states().items() if gen > opened} <= {"void"}, what
    assert named_by_doctor(escrow) == [opened], what
    return opened


def test_a_ceremony_that_is_killed_at_any_step_leaves_one_set_that_opens_the_token(escrow: Escrow) -> None:
    """And so does the next one that is killed while it finishes the change or voids it."""
    undecided = 0
    for step in range(1, MAX_STEPS):
        ended = run(escrow, step)
        undecided += len(named_by_doctor(escrow)) == 2
        again = run(escrow, step * 7 % REPAIR_STEPS + 1)

        opens_with_what_doctor_names(escrow, f"killed after step {step}, and once more")
        assert ended.wrong_pins == 0
        assert again.wrong_pins <= 1
        if not ended.died:
            break
    else:
        raise AssertionError("the change has no end")
    assert step > 25
    assert undecided > 5


@pytest.mark.parametrize(
    ("moment", "opens"), [("dies before it", 1), ("dies at its write", 1), ("dies after it", 2)]
)
def test_killed_around_the_change_in_the_token_the_next_ceremony_finds_out(
    escrow: Escrow, moment: SetPin, opens: int
) -> None:
    """At the write, token.object is empty: it is restored from its copy, which has the old PIN."""
    assert run(escrow, set_pin=moment).died
    assert named_by_doctor(escrow) == [2, 1]
    assert escrow.shares_of() == {1: 3, 2: 3}

    assert opens_with_what_doctor_names(escrow, moment) == opens
    assert escrow.states()[2] == ("void" if opens == 1 else "active")
    assert escrow.change() == 3
    assert escrow.opens() == 3


def test_killed_at_any_step_while_it_voids_a_change_that_died(escrow: Escrow) -> None:
    """The repair that has to try two PINs; each round begins with a token that has the old one."""
    for step in range(1, REPAIR_STEPS + 1, 2):  # the test above meets the others
        run(escrow, set_pin="dies before it")
        wrong = run(escrow, step).wrong_pins

        assert wrong <= 1, f"killed after step {step} of the repair"
        opens_with_what_doctor_names(escrow, f"killed after step {step} of the repair")


def test_a_process_that_lives_is_told_from_one_that_dies(escrow: Escrow) -> None:
    """The control: what the tests above count."""
    assert not run(escrow).died
    assert escrow.states() == {1: "retired", 2: "active"}
    assert run(escrow, 1).died
