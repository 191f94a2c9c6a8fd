"""Every user's escrow wrap is sealed to a new escrow key, by a case that officers approve and a ceremony."""

import pytest

from tests.ceremony.office import Office
from tests.ceremony.rotations import (
    IN_CHILDREN,
    drill_of_all,
    generations,
    new_escrow_key,
    on_older,
    rotated,
)
from tests.rig.people import Person
from vault_service.domain.events import KeysEvent as K


@pytest.fixture
def people(office: Office) -> list[Person]:
    return [office.somebody() for _ in range(9)]


@pytest.mark.parametrize("how", ["in children", "in one process"])
def test_every_wrap_is_sealed_to_the_new_key_and_opens_with_it(
    office: Office, people: list[Person], how: str
) -> None:
    gen = new_escrow_key(office)
    assert on_older(office, gen) >= {person.user for person in people}

    parts = {"resealing": IN_CHILDREN} if how == "in children" else {}
    case, result = rotated(office, **parts)

    assert [outcome.error for outcome in result.outcomes] == [None]
    assert generations(office) == {gen}
    assert office.state(case) == "executed"
    assert office.events(case)[-1] is K.ROTATION_FINISHED
    (drill,) = drill_of_all(office).outcomes
    assert drill.says.split(";")[0].endswith(" 0 failed")
