"""What is drawn for officers says the same to those who do not see it."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from vault_service.console.overview import plots
from vault_service.recovery.progress import Turn

NOW = datetime(2026, 11, 28, 1, 30, tzinfo=UTC)


def turn(rotation: UUID, state: str, looked_at: int) -> Turn:
    began, ended = NOW - timedelta(hours=2), NOW if state == "finished" else None
    return Turn(rotation, "pepper", 2, state, 10, looked_at, looked_at, 0, 0, began, NOW, ended)  # type: ignore[arg-type]  # a state


def test_two_pictures_of_one_kind_are_not_heard_as_one() -> None:
    """The older rotation's would be read out with the name and the sentence of the newer one."""
    drawn = [plots.rotation(turn(uuid4(), *how), (), NOW) for how in (("running", 3), ("finished", 10))]
    ids = re.findall(r'\bid="([^"]+)"', "".join(drawn))
    named = list(re.findall(r'aria-labelledby="([^"]+)"', "".join(drawn)))

    assert len(ids) == len(set(ids)) == 4
    assert " ".join(named).split() == ids
    assert "3 of 10 users" in drawn[0]


def test_a_picture_of_cases_tells_how_many_of_each_sort() -> None:
    today = NOW.replace(hour=0, minute=0)
    opened = [(today, "regain", "open", 4), (today - timedelta(days=1), "drill", "executed", 1)]

    made = plots.cases(opened, 7, NOW)  # type: ignore[arg-type]  # kinds of cases

    assert "5 cases in 7 days; Access again: 4; Drills: 1</desc>" in made
    assert "per day (UTC)" in made


def test_hours_are_named_where_days_begin() -> None:
    hours = [NOW.replace(hour=0, minute=0) - timedelta(days=6) + timedelta(hours=n) for n in range(146)]

    assert [label for _, label in plots._ticks(hours)] == [f"11-{day}" for day in range(22, 29)]
    assert [label for _, label in plots._ticks(hours[-26:])] == ["11-27", "06h", "12h", "18h", "11-28"]
