"""A rotation whose ceremony is killed goes on where it was, once the officers have released again."""

import os
import signal
from pathlib import Path

import pytest

from tests.ceremony.killed_rotation import Death, dying_ceremony
from tests.ceremony.office import Office, until
from tests.ceremony.rotations import (
    Kept,
    drill_of_all,
    generations,
    keys_in_token,
    new_escrow_key,
    on_older,
)
from vault_service.domain.events import KeysEvent as K

PEOPLE = 7


@pytest.fixture(scope="module")
def kept(turned_office: Office) -> Kept:
    for _ in range(PEOPLE):
        turned_office.somebody()
    kept = Kept.of(turned_office)
    new_escrow_key(turned_office)
    return kept


@pytest.fixture
def office(turned_office: Office, kept: Kept) -> Office:
    kept.put_back()
    return turned_office


DEATHS: dict[Death, str] = {
    Death("peel", 2, "after"): "executing",
    Death("rewrap_escrow", 1, "before"): "executing",
    Death("rewrap_escrow", 2, "after"): "executing",
    Death("complete", 1, "before"): "executing",
    Death("complete", 1, "after"): "executed",
}


@pytest.mark.parametrize(
    ("death", "state"), DEATHS.items(), ids=[f"{d.moment} {d.call} {d.number}" for d in DEATHS]
)
def test_what_was_stored_stays_and_the_next_ceremony_does_the_rest(
    office: Office, death: Death, state: str
) -> None:
    gen, before = office.acting("ana").manifest.escrow_key.gen, keys_in_token(office)
    case = office.open("escrow-rotation")
    process = dying_ceremony(office.vault.environment, office.vault.home / "rotation.log", death)
    office.await_gathering(case)
    office.approve(case, "ana", "bob")
    assert process.wait(60) == -signal.SIGKILL, (office.vault.home / "rotation.log").read_text()[-3000:]

    assert office.state(case) == state
    until(lambda: not orphans())
    left = len(on_older(office, gen))
    assert left == {"peel": all_of(office), "complete": 0}.get(death.call, left)

    if state == "executing":
        dead = office.gathering(case)
        with office.in_this_process() as here:
            office.await_gathering(case, other_than=dead.ceremony if dead else None)
            office.release("ana", "bob")  # the approvals stand
            result = here.running.result(110)
        assert result is not None
        assert [outcome.error for outcome in result.outcomes] == [None]
        assert result.outcomes[0].says.startswith(f"{left} wraps sealed")
    assert office.state(case) == "executed"
    assert office.events(case).count(K.ROTATION_FINISHED) == 1
    assert generations(office) == {gen}
    assert keys_in_token(office) == before
    (drill,) = drill_of_all(office).outcomes
    assert drill.says.startswith(f"{all_of(office)} wraps opened, 0 failed")


def all_of(office: Office) -> int:
    with office.vault.keys.superuser() as conn:
        row = conn.execute("SELECT count(*) FROM escrow_wraps").fetchone()
    assert row is not None
    return int(str(row[0]))


def orphans() -> list[int]:
    """Children of a ceremony that is gone; those of other tests have one."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, parent = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        ours = b"reseal_child" in command and int(parent.rsplit(")", 1)[1].split()[1]) in (1, os.getpid())
        if ours:
            found.append(int(folder.name))
    return found
