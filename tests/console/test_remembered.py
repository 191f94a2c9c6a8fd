"""What is the same for everybody is found out once in a while."""

import pytest

from vault_service.console.remembered import GOOD_FOR_S, Remembered
from vault_service.domain.errors import DatabaseUnavailableError


def test_it_is_found_once_until_it_is_old() -> None:
    clock, found = [0.0], list[int]()
    remembered: Remembered[int] = Remembered(lambda: clock[0])

    def find() -> int:
        found.append(len(found))
        return len(found)

    assert [remembered.get(find), remembered.get(find)] == [1, 1]
    clock[0] += GOOD_FOR_S + 1
    assert remembered.get(find) == 2


def test_a_failure_is_not_remembered() -> None:
    remembered: Remembered[int] = Remembered(lambda: 0.0)

    def fails() -> int:
        raise DatabaseUnavailableError("the keys database")

    with pytest.raises(DatabaseUnavailableError):
        remembered.get(fails)
    assert remembered.get(lambda: 7) == 7
