"""Many at once: bounded reading, failures in order, and a stop when the vault is away."""

from collections.abc import Iterator

import pytest

from vault_service.cli.people.bring import Brought
from vault_service.cli.people.crew import bring_all
from vault_service.cli.people.mapping import Mapping, Person
from vault_service.cli.people.source import BadRow, Row

MAPPING = Mapping("login", (), None, rest=False)


def rows(count: int) -> Iterator[Row]:
    return (Row(line, {"login": f"p{line}"}) for line in range(1, count + 1))


def ignore() -> None:
    """For who does not watch."""


def test_every_line_is_counted_and_failures_stand_in_the_files_order() -> None:
    def bring(person: Person) -> Brought | BadRow:
        if person.line % 10 == 0:
            return BadRow(person.line, "user.login_taken", "taken")
        return Brought.EARLIER if person.line % 2 else Brought.NOW

    ticks: list[None] = []
    report = bring_all(rows(95), MAPPING, bring, workers=8, tick=lambda: ticks.append(None))

    assert [failure.line for failure in report.failures] == list(range(10, 100, 10))
    assert (report.brought, report.earlier, len(ticks)) == (38, 48, 95)


def test_no_more_lines_are_read_than_are_needed_to_keep_the_workers_busy() -> None:
    read = 0
    ahead: list[int] = []

    def counted() -> Iterator[Row]:
        nonlocal read
        for row in rows(500):
            read += 1
            ahead.append(read - finished)
            yield row

    finished = 0

    def tick() -> None:
        nonlocal finished
        finished += 1

    bring_all(counted(), MAPPING, lambda _: Brought.NOW, workers=4, tick=tick)

    assert finished == 500
    assert max(ahead) <= 4 * 4  # twice what is under way, of 500


def test_when_the_vault_is_away_nobody_else_is_tried() -> None:
    tried: list[int] = []

    def bring(person: Person) -> Brought | BadRow:
        tried.append(person.line)
        raise ConnectionError("away")

    with pytest.raises(ConnectionError):
        bring_all(rows(1000), MAPPING, bring, workers=4, tick=ignore)

    assert len(tried) <= 4
