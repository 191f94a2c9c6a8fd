"""`vaultctl rotate` on a real vault, with a worker: what it does, what it leaves when it is broken off."""

import contextlib
import functools
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.rig.vault import REPOSITORY, Vault, settings_of
from tests.rotation.operator import Operator
from tests.rotation.typed import typed
from tests.rotation.under_way import Turning
from vault_service.cli.doctor_rotation import examine_rotation
from vault_service.domain.rotation import OnlineKind
from vault_service.domain.rotation_errors import NothingToRotateError, RotationBusyError
from vault_service.kms.protocol.rotation_messages import RotationsAre, RotationStatus


@pytest.fixture(scope="module")
def lived_in(turned: Vault) -> Iterator[Turning]:
    with Turning.of(turned, people=2) as turning:
        yield turning


@pytest.fixture
def turning(lived_in: Turning) -> Iterator[Turning]:
    """Two people, all of whose wraps are on the current pepper, before each test and after it."""
    yield lived_in
    if running(lived_in, "paused"):
        lived_in.resume()
    with contextlib.suppress(NothingToRotateError, RotationBusyError):
        lived_in.start()
    if running(lived_in):
        worker = lived_in.start_worker()
        lived_in.wait_until_finished()
        worker.stop()


@pytest.fixture
def worker(turning: Turning) -> Iterator[None]:
    process = turning.start_worker()
    yield
    process.stop()


@pytest.fixture
def gen(turning: Turning) -> int:
    """A pepper that has just become current; every wrap is on the one before."""
    return turning.new_key()


@pytest.fixture
def moved(turning: Turning, gen: int) -> int:
    """The same, and by now every wrap is on it."""
    worker = turning.start_worker()
    turning.start()
    turning.wait_until_finished()
    worker.stop()
    return gen


def running(turning: Turning, state: str = "running") -> list[str]:
    rows = turning.kms.call(RotationStatus(), RotationsAre).rotations
    return [row.kind for row in rows if row.state == state]


def newest_two(operator: Operator) -> list[tuple[int, str]]:
    return operator.states("pepper")[-2:]


def everybody_signs_in(turning: Turning) -> bool:
    return all(person.opens_with(person.password) for person in turning.people)


@pytest.mark.usefixtures("lived_in")
def test_a_dry_run_says_what_would_be_done_and_does_nothing(turned: Vault, operator: Operator) -> None:
    """Of the kind that no other test here rotates."""
    before = operator.all("login-index")

    ran = typed(turned, "rotate login-index --dry-run --rate 100")

    assert ran.code == 0
    assert "1. make a new key in the online token" in ran.out
    assert re.search(r"rewrite 2 logins, .*2 batches at once, at most 100 users a second", ran.out)
    assert "Nothing has been changed." in ran.out
    assert operator.all("login-index") == before
    asked = typed(turned, "rotate login-index --dry-run --json").json
    assert (asked["creates_a_key"], asked["makes_current"], asked["rate"]) == (True, None, 1000)


def test_who_watches_outlives_the_key_service_and_leaves_it_running_with_ctrl_c(
    turned: Vault, turning: Turning
) -> None:
    """No worker is there, so that it cannot end before the hand is on the key."""
    program = [sys.executable, "-m", "vault_service.cli", "rotate", "pepper", "--yes", "--new-key"]
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
    assert running(turning) == ["pepper"]
    assert everybody_signs_in(turning)


@pytest.mark.usefixtures("gen")
def test_a_paused_rotation_waits_until_it_is_resumed(turned: Vault, turning: Turning) -> None:
    turning.start()

    assert "vaultctl rotate resume pepper" in typed(turned, "rotate pause pepper").out
    assert running(turning) == []

    refused = typed(turned, "rotate pepper")

    assert refused.code == 5
    assert "is paused: vaultctl rotate resume pepper" in refused.err
    assert "next: paused by an operator" in typed(turned, "rotate status").out
    resumed = typed(turned, "rotate resume pepper --rate 0 --json")
    assert (resumed.json["state"], resumed.json["rate"]) == ("running", 0)


def test_the_same_command_watches_what_goes_on_and_makes_no_other_key(
    turned: Vault, operator: Operator, turning: Turning, gen: int, request: pytest.FixtureRequest
) -> None:
    turning.start()
    request.getfixturevalue("worker")

    ran = typed(turned, "rotate pepper --json")

    assert ran.code == 0, ran.err
    assert ran.err == ""
    assert ran.json["rotation"]["state"] == "finished"
    assert ran.json["rotation"]["failed"] == 0
    assert ran.json["verified"]["failed"] == []
    assert ran.json["verified"]["opened"] > 0
    oldest = next(row.gen for row in operator.all("pepper") if row.state == "retiring")
    assert ran.json["next"]["command"] == f"vaultctl rotate retire pepper {oldest}"
    assert newest_two(operator) == [(gen - 1, "retiring"), (gen, "current")]
    assert everybody_signs_in(turning)


def test_typed_once_more_after_its_end_it_makes_no_third_key_unless_that_is_said(
    turned: Vault, operator: Operator, moved: int
) -> None:
    """By a script that tries until it succeeds, say, and whose first try ended without being heard."""
    again = typed(turned, "rotate pepper")

    assert again.code == 0
    assert "nothing is to be done" in again.err
    assert newest_two(operator) == [(moved - 1, "retiring"), (moved, "current")]
    asked = [typed(turned, f"rotate pepper --dry-run --json {more}").json for more in ("", "--new-key")]
    assert [each["creates_a_key"] for each in asked] == [False, True]


def test_retire_shows_the_backups_and_the_command_and_does_nothing_without_the_fingerprint(
    turned: Vault, operator: Operator, turning: Turning, moved: int
) -> None:
    old = moved - 1
    shown = typed(turned, f"rotate retire pepper {old}")
    asked = typed(turned, f"rotate retire pepper {old} --json").json

    fingerprint = operator.fingerprint("pepper", old)
    assert f"vaultctl rotate retire pepper {old} --confirm {fingerprint}" in shown.out
    assert re.search(r"Every backup of the keys database from before 20\d\d-.* UTC needs it", shown.out)
    assert "nothing in it opens any more" in shown.out
    assert asked["needed_by_backups_before"][:19] == (turning.newest().ended_at or "")[:19]
    wrong = typed(turned, f"rotate retire pepper {old} --confirm {'0' * 64}")
    assert (wrong.code, "another" in wrong.out) == (5, False)
    assert typed(turned, f"rotate retire pepper {old} --confirm 12").code == 2
    assert typed(turned, f"rotate retire pepper {moved} --confirm {'0' * 64}").code == 5
    assert typed(turned, "rotate retire pepper 99").code == 2
    assert newest_two(operator) == [(old, "retiring"), (moved, "current")]


def test_retired_with_its_fingerprint_it_is_gone_and_asking_again_does_no_harm(
    turned: Vault, operator: Operator, turning: Turning, moved: int
) -> None:
    fingerprint = operator.fingerprint("pepper", moved - 1)

    for _ in range(2):
        ran = typed(turned, f"rotate retire pepper {moved - 1} --confirm {fingerprint} --json")
        assert ran.code == 0, ran.err
        assert (ran.json["state"], ran.json["in_token"]) == ("destroyed", False)

    assert newest_two(operator) == [(moved - 1, "destroyed"), (moved, "current")]
    assert everybody_signs_in(turning)


def test_a_key_that_is_still_needed_is_not_retired_and_says_by_what(
    turned: Vault, operator: Operator, gen: int
) -> None:
    fingerprint = operator.fingerprint("pepper", gen - 1)

    shown = typed(turned, f"rotate retire pepper {gen - 1}")
    refused = typed(turned, f"rotate retire pepper {gen - 1} --confirm {fingerprint}")

    assert "password wraps" in shown.out
    assert "--confirm" not in shown.out
    assert refused.code == 5
    assert "still needed" in refused.err
    assert newest_two(operator) == [(gen - 1, "retiring"), (gen, "current")]


def test_a_key_is_kept_while_a_wrap_does_not_open_under_the_one_that_its_row_names(
    turned: Vault, operator: Operator, turning: Turning, gen: int
) -> None:
    """A database superuser has written that every wrap has moved: the census sees nobody on the old key."""
    old, fingerprint = gen - 1, operator.fingerprint("pepper", gen - 1)
    relabel = [
        f"UPDATE {table} SET pepper_gen = %(to)s WHERE pepper_gen = %(of)s"
        for table in ("users", "credentials", "escrow_wraps")
    ]
    with turned.keys.superuser() as conn, conn.transaction():
        for statement in relabel:
            conn.execute(statement, {"to": gen, "of": old})

    kept = typed(turned, f"rotate retire pepper {old} --confirm {fingerprint}")

    with turned.keys.superuser() as conn, conn.transaction():
        for statement in relabel:
            conn.execute(statement, {"to": old, "of": gen})
    assert kept.code == 5
    assert f"generation {old} is kept: 6 wraps do not open" in kept.err
    assert f"user {turning.people[0].user}: password wrap" in kept.err
    assert newest_two(operator) == [(old, "retiring"), (gen, "current")]
    assert everybody_signs_in(turning)


@pytest.mark.usefixtures("worker")
def test_what_died_between_the_new_key_and_the_rotation_goes_on_with_that_key(
    turned: Vault, operator: Operator, gen: int
) -> None:
    ran = typed(turned, "rotate pepper --json")

    assert ran.json["current"] == gen
    assert newest_two(operator) == [(gen - 1, "retiring"), (gen, "current")]
    assert operator.census("pepper", gen - 1) == {}


@pytest.fixture
def victim(turning: Turning) -> Iterator[str]:
    """One of the two has a password wrap of which somebody has altered a bit."""
    user = turning.people[0].user
    alter = "UPDATE credentials SET wrap = set_byte(wrap, 60, get_byte(wrap, 60) # 1) WHERE user_id = %(u)s"
    turning.as_superuser(alter, u=user)
    yield str(user)
    turning.as_superuser(alter, u=user)


@pytest.mark.usefixtures("worker")
def test_a_wrap_that_does_not_open_is_named_left_and_no_success(
    turned: Vault, operator: Operator, turning: Turning, victim: str
) -> None:
    ran = typed(turned, "rotate pepper --new-key")

    assert ran.code == 1
    assert f"user {victim}: password wrap" in ran.out
    assert "docs/runbooks/rotation.md" in ran.out
    status = typed(turned, "rotate status --failures")
    assert status.code == 1
    assert f"user {victim}: password wrap" in status.out
    verified = typed(turned, "rotate verify --all --json")
    assert verified.code == 1
    assert verified.json["failed"] == [{"user_id": victim, "wrap": "password"}]
    found = {each.check: each for each in examine_rotation(settings_of(turned))}
    assert not found["pepper: rotation"].ok
    assert "1 wrap does not open" in found["pepper: rotation"].detail
    assert turning.people[1].opens_with(turning.people[1].password)
    assert operator.census("pepper", operator.states("pepper")[-2][0]) == {"password wraps": 1}


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
