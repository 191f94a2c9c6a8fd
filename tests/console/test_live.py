"""A rotation that really runs, as the page's script sees it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from tests.console.desk import Browser, Desk
from tests.dev.waiting import until
from tests.rotation.under_way import Turning, set_engine
from vault_service.domain.case import Scope

PEOPLE = 8


@pytest.fixture(scope="module")
def turning(desk: Desk) -> Iterator[Turning]:
    vault = desk.office.vault
    set_engine(vault, batch=1)
    with Turning.of(vault, people=PEOPLE) as turning:
        yield turning


def live(browser: Browser) -> Any:
    response = browser.get("/live", **{"Sec-Fetch-Mode": "cors", "Accept": "application/json"})
    assert response.status_code == 200
    return response.json


def turn(browser: Browser, rotation: UUID) -> Any:
    """One rotation, as the script is told of it."""
    return next(each for each in live(browser)["rotations"] if each["id"] == str(rotation))


def test_a_rotation_is_seen_to_begin_to_move_to_pause_and_to_end(turning: Turning, dora: Browser) -> None:
    turning.new_key()
    started = turning.start(rate=20)
    waiting = turn(dora, started.rotation_id)

    assert (waiting["state"], waiting["looked_at"]) == ("running", 0)
    assert waiting["of"] >= PEOPLE
    assert "waiting for a worker" in waiting["says"]
    page = dora.get("/rotations").text
    assert f'data-turn="{started.rotation_id}" data-state="running"' in page

    turning.pause()
    assert turn(dora, started.rotation_id)["state"] == "paused"
    turning.resume(rate=2)
    worker = turning.start_worker()
    seen: list[dict[str, Any]] = []

    def on_its_way() -> set[int]:
        seen.append(turn(dora, started.rotation_id))
        return {each["looked_at"] for each in seen if 0 < each["looked_at"] < each["of"]}

    turning.wait_until(lambda: len(on_its_way()) >= 2)
    turning.pause()
    turning.resume(rate=0)
    turning.wait_until(lambda: bool(on_its_way()) and seen[-1]["state"] == "finished")
    worker.stop()

    moved = [each["looked_at"] for each in seen]
    assert moved == sorted(moved)
    assert any("users a second" in each["says"] for each in seen)
    assert seen[-1]["looked_at"] >= PEOPLE
    assert "data-turn" not in dora.get("/rotations").text.replace("[data-turn", "")


def test_what_has_ended_has_a_picture_and_how_long_it_took(turning: Turning, dora: Browser) -> None:
    turning.new_key()
    turning.start()
    worker = turning.start_worker()
    turning.wait_until_finished()
    worker.stop()

    page = dora.get("/rotations").text

    assert '<figure class="plot">' in page
    assert "Rotations that have ended" in page
    samples = turning.as_superuser("SELECT looked_at FROM rotation_samples ORDER BY at")
    assert samples[0] == (0,)
    assert int(str(samples[-1][0])) >= PEOPLE


def test_a_ceremony_that_waits_for_shares_is_seen_to_get_them(desk: Desk, dora: Browser) -> None:
    office = desk.office
    case = office.open("drill", scope=Scope(sample=1))
    with office.in_this_process():
        row = office.await_gathering(case)
        (waiting,) = live(dora)["ceremonies"]
        assert (waiting["id"], waiting["shares"], waiting["need"]) == (str(row.ceremony), 0, 2)

        office.approve(case, "ana")
        assert live(dora)["ceremonies"][0]["count"] == "1 / 2"
        office.approve(case, "bob")
    until(lambda: not live(dora)["ceremonies"])
    assert str(case) in dora.get("/rotations").text  # among the drills
