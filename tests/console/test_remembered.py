"""What is the same for everybody is found out once in a while, and keeps nobody waiting."""

import threading

import pytest

from vault_service.console.remembered import GOOD_FOR_S, Remembered
from vault_service.domain.errors import DatabaseUnavailableError


def test_it_is_found_once_until_it_is_old() -> None:
    clock, found = [0.0], list[int]()
    remembered: Remembered[int] = Remembered(lambda: clock[0])

    def find() -> int:
        found.append(len(found))
        return len(found)

    assert [remembered.get(find, 0), remembered.get(find, 0)] == [1, 1]
    clock[0] += GOOD_FOR_S + 1
    assert remembered.get(find, 0) == 2


def test_a_failure_is_told_and_not_remembered() -> None:
    remembered: Remembered[int] = Remembered(lambda: 0.0)

    def fails() -> int:
        raise DatabaseUnavailableError("the keys database")

    with pytest.raises(DatabaseUnavailableError):
        remembered.get(fails, 0)
    assert remembered.get(lambda: 7, 0) == 7


def test_a_part_that_hangs_keeps_no_page_from_being_shown() -> None:
    clock, answers, asked = [0.0], threading.Event(), list[int]()
    remembered: Remembered[int] = Remembered(lambda: clock[0], wait_s=0.01)

    def hangs() -> int:
        asked.append(1)
        answers.wait()
        return 8

    assert remembered.get(hangs, 0) == 0  # nothing was known before
    assert remembered.get(hangs, 0) == 0
    assert len(asked) == 1  # and nobody asks a second time meanwhile
    answers.set()
    remembered.wait_s = 30.0
    assert remembered.get(hangs, 0) == 8

    answers.clear()
    remembered.wait_s = 0.01
    clock[0] += GOOD_FOR_S + 1
    assert remembered.get(hangs, 0) == 8  # what was known before
    answers.set()
