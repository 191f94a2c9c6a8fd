"""When a key is due: from its first use, by the policy; what nobody knows is no alarm."""

from datetime import timedelta

import msgspec
import pytest

from tests.rotation.standing import NOW, PERIODS, days_ago, generation, rotation
from vault_service.cli.rotate_progress import Count, Pace, duration
from vault_service.domain.rotation import DueKind
from vault_service.kms.protocol.rotation_messages import AppKeyInUse, OthersInUseAre
from vault_service.rotation.due import days_left, generations_in_use, others_in_use, what_is_due


def test_a_key_is_due_a_cryptoperiod_after_it_became_current_whenever_it_was_made() -> None:
    rows = (
        generation("pepper", 1, "retiring", days=900), generation("pepper", 2, "current", days=364),
        generation("pepper", 3, "prepared", days=900),
    )  # fmt: skip

    (due,) = what_is_due(generations_in_use(rows), PERIODS)

    assert (due.what, due.is_due(NOW)) == ("generation 2", False)
    assert due.at == NOW + timedelta(days=1)
    assert due.is_due(NOW + timedelta(days=1))
    assert days_left((due,), "pepper", NOW) == 1


def test_what_stands_in_no_manifest_is_due_as_well() -> None:
    others = OthersInUseAre(
        (AppKeyInUse("old shop", "default", days_ago(181)), AppKeyInUse("till", "other", days_ago(1))),
        days_ago(731), 1, days_ago(181), days_ago(366),
    )  # fmt: skip

    due = what_is_due(others_in_use(others), PERIODS)

    late = {each.what: each.command for each in due if each.is_due(NOW)}
    assert set(late) == {"the oldest of all users", "the cost of a password", "old shop", "the share set"}
    assert late["old shop"] == "vaultctl rotate app-key 'old shop'"
    (till,) = [each for each in due if each.what == "till"]
    assert till.command == "vaultctl rotate app-key till --tenant other"


@pytest.mark.parametrize("kind", ["data-key", "argon2-cost", "officer-shares"])
def test_a_time_that_nobody_knows_is_never_due(kind: DueKind) -> None:
    due = what_is_due(others_in_use(OthersInUseAre((), None, 0, None, None)), PERIODS)

    assert not any(each.is_due(NOW) for each in due)
    assert days_left(due, kind, NOW) is None


def test_the_pace_is_told_from_what_was_seen_and_failures_with_it() -> None:
    clock = iter([0.0, 0.0, 10.0, 10.0])
    pace = Pace(lambda: next(clock))
    begun = rotation("pepper", "running")
    later = msgspec.structs.replace(begun, looked_at=60, failed=2)

    assert pace.see(begun) == "0 users/s, …, 0 do not open"
    assert pace.see(later) == "2 users/s, about 20 s left, 2 do not open"
    assert not pace.is_quiet


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "3 s"), (130, "2 min"), (7500, "2 h 5 min"), (200_000, "2 d 7 h")]
)
def test_durations_are_told_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_count_is_told_now_and_then_with_its_pace_and_what_is_left() -> None:
    clock, said = iter([0.0, 5.0, 10.0, 19.0, 20.0, 30.0]), list[str]()
    count = Count("wraps opened", said.append, now=lambda: next(clock))

    for done, of in ((50, 1000), (100, 1000), (190, 1000), (200, None), (1100, 1000)):
        count.see(done, of)

    assert said == [
        "wraps opened: 100 of 1,000, 10/s, about 90 s left",
        "wraps opened: 200, 10/s",
        "wraps opened: 1,100 of 1,100, 37/s",
    ]
