"""A ceremony that is killed at any step leaves nothing open, and its case to the next one or executed."""

import signal

from tests.ceremony.killable import killable_ceremony
from tests.ceremony.office import NEW_PASSWORD, Office
from vault_service.domain.ids import CeremonyId

_MOST_STEPS = 40


def test_killed_at_each_step_it_leaves_the_case_to_the_next_ceremony(office: Office) -> None:
    """The list of steps is counted from a clean run, which is the last one here."""
    vault, count = office.vault, office.vault.home / "steps"
    ended: list[str] = []
    for step in range(1, _MOST_STEPS):
        person = office.somebody()
        case = office.begin(person)
        office.sign(case, "ana")
        office.sign(case, "bob")
        process = killable_ceremony(vault.environment, vault.home / "killed.log", step, count)
        released: set[CeremonyId] = set()
        while process.poll() is None:
            row = office.gathering(case)
            if row is not None and row.ceremony not in released:
                office.release("ana", "bob")
                released.add(row.ceremony)
        assert process.returncode in (0, -signal.SIGKILL), (vault.home / "killed.log").read_text()[-2000:]
        if process.returncode == 0:
            assert office.state(case) == "executed"
            break

        ended.append(office.state(case))
        executed = office.state(case) == "executed"
        assert person.opens_with(NEW_PASSWORD) == executed
        if not executed:  # with the old password one signs in only now: that would cancel the case
            dead = office.gathering(case)
            with office.in_this_process() as here:
                office.await_gathering(case, other_than=dead.ceremony if dead else None)
                office.release("ana", "bob")  # the approvals stand
                result = here.running.result(110)
            assert result is not None
            assert [outcome.error for outcome in result.outcomes] == [None]
        assert person.opens_with(NEW_PASSWORD)
        assert not person.opens_with(person.password)
    else:
        raise AssertionError("it has no end")
    assert ended[0] == "open"
    assert {"open", "executing", "executed"} == set(ended)
    assert len(ended) > 6
