"""Drills and rotations: when one is due, and what is to be looked at."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.recovery.office import Office
from vault_service.domain.alerts import Alert
from vault_service.domain.case import Scope
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CaseId, new_uuid
from vault_service.policy.page_rules import AlertRule
from vault_service.recovery.progress import Drill, Drills, Turn, drills, progress_alerts

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
RULE = AlertRule()
IN_TIME = Drills(NOW, NOW + timedelta(days=90), False, ())


def turn(**other: object) -> Turn:
    made = Turn(
        uuid4(), "pepper", 2, "running", 100, 40, 80, 0, 0, NOW - timedelta(hours=1),
        NOW - timedelta(minutes=1), None,
    )  # fmt: skip
    return replace(made, **other)  # type: ignore[arg-type]  # members of it


def codes(*turns: Turn, drilled: Drills = IN_TIME) -> list[str]:
    return [alert.code for alert in progress_alerts(turns, drilled, RULE, NOW)]


def test_a_rotation_that_moves_is_nothing_to_look_at() -> None:
    assert codes(turn()) == []


def test_one_that_stands_still_does_not_open_or_is_paused_is_told() -> None:
    assert codes(turn(moved_at=NOW - timedelta(minutes=11))) == ["rotation-quiet"]
    assert codes(turn(state="paused", moved_at=NOW - timedelta(days=1))) == ["rotation-paused"]
    assert codes(turn(failed=3)) == ["rotation-failures"]


def test_failures_of_an_older_rotation_are_over_with_a_newer_one_of_its_kind() -> None:
    older = turn(state="finished", failed=3, started_at=NOW - timedelta(days=40))
    newer = turn(state="finished")

    assert codes(older, newer) == codes(newer, older) == []
    assert codes(replace(older, kind="escrow"), newer) == ["rotation-failures"]


def test_whoever_comes_while_it_runs_is_looked_at_too() -> None:
    assert turn(looked_at=250).of == 250


def test_a_drill_is_due_after_so_many_days_of_the_vault_or_of_the_last_one(office: Office) -> None:
    trusted = office.acting("ana").trusted
    began = datetime.fromisoformat(next(trusted.history()).created_at)
    office.sql("DELETE FROM cases WHERE kind = 'drill' AND state = 'executed'")

    found = drills(office.parts, trusted)
    assert (found.last, found.overdue) == (None, False)
    assert found.due == began + timedelta(days=90)

    later = office.later(days=91)
    overdue = drills(later.parts, trusted)
    assert overdue.overdue
    alert = next(iter(progress_alerts((), overdue, RULE, later.parts.now())))
    assert alert == Alert("drill-overdue", "now", at=overdue.due)
    soon = drills(office.later(days=80).parts, trusted)
    assert [each.code for each in progress_alerts((), soon, RULE, soon.due - timedelta(days=9))] == [
        "drill-soon"
    ]


def test_what_came_of_a_drill_is_what_the_trail_says(office: Office) -> None:
    shown = office.open(by="ana", kind="drill", scope=Scope(sample=3))
    trail = office.vault.keys.open("vault_auditor_keys", size=1)
    trusted = office.acting("ana").trusted

    def newest() -> Drill:
        return drills(office.parts, trusted, trail).newest[0]

    try:
        assert (newest().case_id, newest().sample, newest().outcome) == (shown.case_id, 3, "unknown")
        office.sql(
            """INSERT INTO audit_events (user_id, event_id, kind, at, case_id)
               VALUES (%(nobody)s, %(id)s, %(kind)s, now(), %(case)s)""",
            nobody=uuid4(), id=new_uuid(), kind=int(KeysEvent.DRILL_FAILED), case=shown.case_id,
        )  # fmt: skip
        assert newest().outcome == "failed"
        assert "drill-failed" in codes(drilled=replace(IN_TIME, newest=(newest(),)))
    finally:
        trail.close()
        office.sql("UPDATE cases SET state = 'expired' WHERE case_id = %(id)s", id=shown.case_id)


def test_an_older_failure_is_over_with_a_drill_that_passed() -> None:
    def drill(outcome: str) -> Drill:
        return Drill(CaseId(uuid4()), "executed", 1, NOW, NOW, outcome)  # type: ignore[arg-type]  # an outcome

    fine = replace(IN_TIME, newest=(drill("unknown"), drill("passed"), drill("failed")))
    assert codes(drilled=fine) == []
