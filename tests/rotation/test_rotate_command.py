"""`vaultctl rotate` on a real vault, with a worker: what it does, what it leaves when it is broken off."""

import functools
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.rig.people import Person, enrol
from tests.rig.vault import REPOSITORY, Vault, settings_of
from tests.rotation.operator import Operator
from tests.rotation.typed import typed
from vault_service.cli.doctor_rotation import examine_rotation
from vault_service.domain.rotation import OnlineKind
from vault_service.kms.client import KmsClient
from vault_service.kms.rotation_messages import RotationsAre, RotationStatus

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def people(turned: Vault, api: KmsClient) -> list[Person]:
    return [enrol(turned, api) for _ in range(2)]


@pytest.fixture(scope="module")
def worker(turned: Vault) -> Iterator[None]:
    process = turned.start("rotate_worker", "rotate", "worker")
    try:
        yield
    finally:
        process.stop()


def running(operator: Operator) -> list[str]:
    rows = operator.kms.call(RotationStatus(), RotationsAre).rotations
    return [row.kind for row in rows if row.state == "running"]


@pytest.mark.usefixtures("people")
def test_a_dry_run_says_what_would_be_done_and_does_nothing(turned: Vault, operator: Operator) -> None:
    before = operator.all("pepper")

    ran = typed(turned, "rotate pepper --dry-run --rate 100")

    assert ran.code == 0
    assert "1. make a new key in the online token" in ran.out
    assert re.search(r"rewrite \d+ password wraps, .*2 batches at once, at most 100 users a second", ran.out)
    assert "Nothing has been changed." in ran.out
    assert operator.all("pepper") == before
    asked = typed(turned, "rotate pepper --dry-run --json").json
    assert (asked["creates_a_key"], asked["makes_current"], asked["rate"]) == (True, None, 1000)


def test_who_watches_outlives_the_key_service_and_leaves_it_running_with_ctrl_c(
    turned: Vault, operator: Operator, people: list[Person]
) -> None:
    """No worker is there, so that it cannot end before the hand is on the key."""
    program = [sys.executable, "-m", "vault_service.cli", "rotate", "pepper", "--yes"]
    left = subprocess.Popen(
        program, env=turned.environment, cwd=REPOSITORY, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Tests that run in the background are begun with Ctrl-C switched off, and children inherit that.
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # no thread
    )  # fmt: skip
    assert left.stderr is not None
    next(line for line in left.stderr if "You may break this off with Ctrl-C" in line)
    turned.running["kms"].kill()
    next(line for line in left.stderr if "goes on by itself when it is back" in line)
    turned.start_forked_kms()
    left.send_signal(signal.SIGINT)
    _, said = left.communicate(timeout=30)

    assert left.returncode == 130
    assert "the rotation goes on without you" in said
    assert "vaultctl rotate pause pepper" in said
    assert running(operator) == ["pepper"]
    assert all(person.opens_with(person.password) for person in people)


def test_a_paused_rotation_waits_until_it_is_resumed(turned: Vault, operator: Operator) -> None:
    assert "vaultctl rotate resume pepper" in typed(turned, "rotate pause pepper").out
    assert running(operator) == []

    refused = typed(turned, "rotate pepper")

    assert refused.code == 5
    assert "is paused: vaultctl rotate resume pepper" in refused.err
    assert "next: paused by an operator" in typed(turned, "rotate status").out
    resumed = typed(turned, "rotate resume pepper --rate 0 --json")
    assert (resumed.json["state"], resumed.json["rate"]) == ("running", 0)


@pytest.mark.usefixtures("worker")
def test_the_same_command_watches_what_goes_on_and_makes_no_other_key(
    turned: Vault, operator: Operator, people: list[Person]
) -> None:
    ran = typed(turned, "rotate pepper --json")

    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert ran.json["rotation"]["state"] == "finished"
    assert ran.json["rotation"]["failed"] == 0
    assert ran.json["verified"]["failed"] == []
    assert ran.json["verified"]["opened"] > 0
    assert ran.json["next"]["command"] == "vaultctl rotate retire pepper 1"
    assert operator.states("pepper") == [(1, "retiring"), (2, "current")]
    assert all(person.opens_with(person.password) for person in people)


def test_typed_once_more_after_its_end_it_makes_no_third_key_unless_that_is_said(
    turned: Vault, operator: Operator
) -> None:
    """By a script that tries until it succeeds, say, and whose first try ended without being heard."""
    again = typed(turned, "rotate pepper")

    assert again.code == 0
    assert "nothing is to be done" in again.err
    assert operator.states("pepper") == [(1, "retiring"), (2, "current")]
    asked = [typed(turned, f"rotate pepper --dry-run --json {more}").json for more in ("", "--new-key")]
    assert [each["creates_a_key"] for each in asked] == [False, True]


def test_retire_shows_the_backups_and_the_command_and_does_nothing_without_the_fingerprint(
    turned: Vault, operator: Operator
) -> None:
    shown = typed(turned, "rotate retire pepper 1")
    asked = typed(turned, "rotate retire pepper 1 --json").json

    old = operator.all("pepper")[0]
    assert f"vaultctl rotate retire pepper 1 --confirm {old.fingerprint}" in shown.out
    assert re.search(r"Every backup of the keys database from before 20\d\d-.* UTC needs it", shown.out)
    assert "nothing in it opens any more" in shown.out
    (row,) = operator.kms.call(RotationStatus(), RotationsAre).rotations
    assert asked["needed_by_backups_before"][:19] == (row.ended_at or "")[:19]
    wrong = typed(turned, f"rotate retire pepper 1 --confirm {'0' * 64}")
    assert (wrong.code, "another" in wrong.out) == (5, False)
    assert typed(turned, "rotate retire pepper 1 --confirm 12").code == 2
    assert typed(turned, f"rotate retire pepper 2 --confirm {'0' * 64}").code == 5
    assert typed(turned, "rotate retire pepper 9").code == 2
    assert operator.states("pepper") == [(1, "retiring"), (2, "current")]


def test_retired_with_its_fingerprint_it_is_gone_and_asking_again_does_no_harm(
    turned: Vault, operator: Operator, people: list[Person]
) -> None:
    old = operator.all("pepper")[0]

    for _ in range(2):
        ran = typed(turned, f"rotate retire pepper 1 --confirm {old.fingerprint} --json")
        assert ran.code == 0, ran.err
        assert (ran.json["state"], ran.json["in_token"]) == ("destroyed", False)

    assert operator.states("pepper") == [(1, "destroyed"), (2, "current")]
    assert all(person.opens_with(person.password) for person in people)


def test_a_key_that_is_still_needed_is_not_retired_and_says_by_what(
    turned: Vault, operator: Operator, people: list[Person]
) -> None:
    assert people
    operator.next("pepper")
    old = operator.all("pepper")[1]

    shown = typed(turned, "rotate retire pepper 2")
    refused = typed(turned, f"rotate retire pepper 2 --confirm {old.fingerprint}")

    assert "password wraps" in shown.out
    assert "--confirm" not in shown.out
    assert refused.code == 5
    assert "still needed" in refused.err
    assert operator.states("pepper")[1:] == [(2, "retiring"), (3, "current")]


@pytest.mark.usefixtures("worker", "people")
def test_what_died_between_the_new_key_and_the_rotation_goes_on_with_that_key(
    turned: Vault, operator: Operator
) -> None:
    """As the test before has left it: generation 3 is current, and everybody is on 2."""
    ran = typed(turned, "rotate pepper --json")

    assert ran.json["current"] == 3
    assert operator.states("pepper")[1:] == [(2, "retiring"), (3, "current")]
    assert operator.census("pepper", 2) == {}


@pytest.mark.usefixtures("worker")
def test_a_wrap_that_does_not_open_is_named_left_and_no_success(
    turned: Vault, operator: Operator, people: list[Person]
) -> None:
    victim, other = people
    with turned.keys.superuser() as conn:
        conn.execute(
            "UPDATE credentials SET wrap = set_byte(wrap, 60, get_byte(wrap, 60) # 1) WHERE user_id = %s",
            (victim.user,),
        )

    ran = typed(turned, "rotate pepper --new-key")

    assert ran.code == 1
    assert f"user {victim.user}: password wrap" in ran.out
    assert "docs/runbooks/rotation.md" in ran.out
    status = typed(turned, "rotate status --failures")
    assert status.code == 1
    assert f"user {victim.user}: password wrap" in status.out
    verified = typed(turned, "rotate verify --all --json")
    assert verified.code == 1
    assert verified.json["failed"] == [{"user_id": str(victim.user), "wrap": "password"}]
    found = {each.check: each for each in examine_rotation(settings_of(turned))}
    assert not found["pepper: rotation"].ok
    assert "1 wrap does not open" in found["pepper: rotation"].detail
    assert other.opens_with(other.password)
    assert operator.census("pepper", 3) == {"password wraps": 1}


@pytest.mark.parametrize("kind", ["case", "note", "manifest"])
def test_keys_that_no_wrap_is_under_are_rotated_at_once_and_one_that_is_prepared_is_used(
    turned: Vault, operator: Operator, kind: OnlineKind
) -> None:
    if kind == "case":
        operator.create(kind)

    ran = typed(turned, f"rotate {kind}")

    assert ran.code == 0, ran.err
    assert f"Generation 2 of the {kind} key is current." in ran.out
    assert operator.states(kind) == [(1, "retiring"), (2, "current")]
