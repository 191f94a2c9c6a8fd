"""What an operator is told to do next: one step, the right one, with its command."""

import dataclasses

import pytest

from tests.rotation.standing import NOW, generation, rotation, standing, two
from vault_service.cli.doctor_rotation import judge
from vault_service.cli.rotate_escrow import officers_steps
from vault_service.cli.rotate_text import status_document, status_text
from vault_service.domain.rotation import KeyKind
from vault_service.rotation.due import Due
from vault_service.rotation.escrow import Done, StepName, next_of_officers
from vault_service.rotation.next_step import next_step
from vault_service.rotation.status import Status

WRAPS = (("password wraps", 3),)
NEEDED: dict[tuple[KeyKind, int], tuple[tuple[str, int], ...]] = {("pepper", 1): WRAPS}
CASES = {
    "nothing": (standing(), ""),
    "due": (standing(generation("pepper", 1, "current", days=366)), "vaultctl rotate pepper"),
    "prepared": (
        standing(generation("pepper", 1, "current"), generation("pepper", 2, "prepared")),
        "vaultctl rotate pepper",
    ),
    "running": (
        standing(*two("pepper"), rotations=(rotation("pepper", "running"),), needs=NEEDED),
        "vaultctl rotate pepper",
    ),
    "paused": (
        standing(*two("pepper"), rotations=(rotation("pepper", "paused"),), needs=NEEDED),
        "vaultctl rotate resume pepper",
    ),
    "needed": (standing(*two("pepper"), needs=NEEDED), "vaultctl rotate pepper"),
    "unreadable": (
        standing(*two("pepper"), rotations=(rotation("pepper", "finished", failed=3),), needs=NEEDED),
        "vaultctl rotate status --failures",
    ),
    "retire": (
        standing(*two("pepper"), rotations=(rotation("pepper", "finished"),)),
        "vaultctl rotate retire pepper 1",
    ),
    "destroy": (
        standing(*two("pepper", "destroyed", in_token=True)),
        f"vaultctl rotate retire pepper 1 --confirm {1:064x}",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_each_standing_has_its_next_step(what: str) -> None:
    status, command = CASES[what]

    step = next_step(status, "pepper")

    assert (step.what, step.command) == (what, command)


def test_a_key_that_open_cases_need_is_waited_for_and_nothing_is_to_be_typed() -> None:
    step = next_step(standing(*two("case"), needs={("case", 1): (("open cases", 2),)}), "case")

    assert (step.what, step.command) == ("wait", "")
    assert "2 open cases" in step.text


def test_failures_of_a_rotation_do_not_stay_a_finding_once_nothing_needs_the_old_key() -> None:
    """They were erased, or put right: the old generation can go."""
    status = standing(*two("pepper"), rotations=(rotation("pepper", "finished", failed=3),))

    assert next_step(status, "pepper").what == "retire"


@pytest.mark.parametrize("what", CASES)
def test_the_status_says_the_command_to_people_and_to_scripts(what: str) -> None:
    status, command = CASES[what]

    assert command in status_text(status)
    (row,) = [row for row in status_document(status)["keys"] if row["kind"] == "pepper"]  # type: ignore[attr-defined]  # a list
    assert row["next"]["what"] == what


def test_the_status_says_when_nothing_is_to_be_done() -> None:
    assert status_text(standing()).startswith("Nothing is to be done.")
    assert not status_text(CASES["due"][0]).startswith("Nothing")


def test_an_app_s_key_that_is_due_is_something_to_be_done() -> None:
    late = Due("app-key", "shop", NOW, NOW, "vaultctl rotate app-key shop")

    text = status_text(dataclasses.replace(standing(), due=(*standing().due, late)))

    assert not text.startswith("Nothing is to be done.")
    assert "DUE SINCE 2026-11-27\n    next: vaultctl rotate app-key shop" in text


def found(status: Status) -> dict[str, tuple[bool, str, str]]:
    return {each.check: (each.ok, each.detail, each.remedy) for each in judge(status)}


def test_doctor_warns_of_what_is_due_with_the_command_that_rotates_it() -> None:
    ok, detail, remedy = found(CASES["due"][0])["pepper: cryptoperiod"]

    assert ok
    assert detail.startswith("warning: generation 1 is due since 2026-11-26")
    assert remedy == "vaultctl rotate pepper"
    assert found(standing())["cryptoperiods"][1].startswith("nothing is due before 2027-11-17 (pepper)")


@pytest.mark.parametrize(
    ("what", "ok"), [("paused", True), ("needed", True), ("destroy", True), ("unreadable", False)]
)
def test_doctor_tells_what_was_left_halfway_and_fails_for_what_does_not_open(what: str, ok: bool) -> None:
    status, command = CASES[what]

    was_ok, detail, remedy = found(status)["pepper: rotation"]

    assert (was_ok, remedy) == (ok, command)
    assert detail.startswith("warning: ") == ok


def test_doctor_fails_when_the_token_lacks_a_key_that_is_in_use() -> None:
    status = standing(*two("pepper", in_token=False))

    assert found(status)["pepper: token"][0] is False


MADE = Done("key-ceremony", NOW, bytes.fromhex(f"{2:064x}"), everybody=False)
DRILL = Done("drill", NOW, None, everybody=True)
SAMPLE = Done("drill", NOW, None, everybody=False)
ESCROW: list[tuple[Status, tuple[Done, ...], StepName]] = [
    (standing(), (), "new-key"),
    (standing(), (MADE,), "current"),
    (standing(generation("escrow", 2, "current")), (MADE,), "new-key"),  # that key is in use already
    (standing(*two("escrow"), needs={("escrow", 1): (("escrow wraps", 9),)}), (MADE,), "rewrap"),
    (standing(*two("escrow")), (MADE,), "drill"),
    (standing(*two("escrow")), (SAMPLE, MADE), "drill"),
    (standing(*two("escrow")), (DRILL, MADE), "give-up"),
]


@pytest.mark.parametrize(("status", "executed", "step"), ESCROW)
def test_officers_are_told_which_of_their_five_steps_is_next(
    status: Status, executed: tuple[Done, ...], step: StepName
) -> None:
    assert next_of_officers(status, executed) == step


def test_who_is_to_give_the_old_escrow_key_up_is_sent_to_what_the_drill_found() -> None:
    """A drill that failed is executed as well, and nothing that can be read here tells them apart."""
    said = {step.name: step.said for step in officers_steps(standing(*two("escrow")), "give-up")}

    assert "must have nothing under failed" in " ".join(said["give-up"])


def test_an_operator_is_led_to_the_officers_steps_where_an_old_escrow_key_can_go() -> None:
    """No verification of an operator's shows that escrow wraps open, and no command of theirs destroys it."""
    step = next_step(standing(*two("escrow"), rotations=(rotation("escrow", "finished"),)), "escrow")

    assert (step.what, step.command) == ("retire", "vaultctl rotate escrow")
    assert "drill over everybody" in step.text


def test_the_status_says_how_long_a_rotation_goes_on_that_runs_and_of_no_other() -> None:
    """It has been at it for two days, and has done 40 of 100 users."""
    keys = two("pepper")

    said = {
        state: status_text(standing(*keys, rotations=(rotation("pepper", state),)))
        for state in ("running", "paused", "finished")
    }

    assert "0 do not open; about 3 d 0 h left at the pace so far" in said["running"]
    assert not any("left at the pace" in said[state] for state in ("paused", "finished"))
