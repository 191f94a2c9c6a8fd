"""What the vault itself signed can still tell a story that does not add up."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.verify.exports import (
    COSIGNED,
    START,
    Event,
    Export,
    Log,
    event,
    leaf,
    session,
    touched,
    unlocked,
    uuid,
)
from tests.verify.verifying import Found, found, report

SIGN_IN = unlocked(1)
SESSION = session(2, 1)
READ = touched(3, SESSION)
REFUSED = event("session_refused", 2, session_id=uuid("never opened"))
OTHER_ID = "0" * 8 + str(SIGN_IN["event_id"])[8:]
OFFICERS = event("access_regained", 3, log="keys", digest="ca" * 32)  # in both logs under one id
STRAY: Found = {("cross.record_without_session", 1, 1)}
LOCKED: Found = {("cross.session_without_unlock", 0, 0)}


def told(folder: Path, keys: Sequence[Event], records: Sequence[Event]) -> Export:
    """Two sound logs of these events."""
    export = Export(
        folder / "export",
        Log("keys", [leaf(one) for one in keys], [len(keys)]),
        Log("records", [leaf(one) for one in records], [len(records)]),
    )
    export.write()
    return export


TOUCHES = ["record_created", "record_read", "record_read_missing", "record_updated", "record_deleted",
           "records_listed", "records_searched", "records_exported", "record_integrity_failed"]  # fmt: skip


@pytest.mark.parametrize("kind", TOUCHES)
def test_a_record_touched_without_a_session_is_found(tmp_path: Path, kind: str) -> None:
    stray = touched(9, session(3, 1), kind)

    seen = report(told(tmp_path, [SIGN_IN], [SESSION, touched(5, SESSION, kind), stray]))

    assert found(seen) == {("cross.record_without_session", 2, 2)}


STORIES: list[tuple[str, list[Event], list[Event], Found]] = [
    ("nothing", [], [], set()),
    ("all is well", [SIGN_IN], [SESSION, touched(3, SESSION)], set()),
    ("another user's session", [SIGN_IN], [SESSION, READ | {"user_id": uuid("bob")}], STRAY),
    ("another unlock's session", [SIGN_IN], [SESSION, READ | {"unlock_id": uuid("other")}], STRAY),
    ("a record without any id", [SIGN_IN], [SESSION, event("record_read", 3)], STRAY),
    ("no session needed", [SIGN_IN], [event("user_activated", 1), REFUSED], set()),
    ("what officers did", [OFFICERS | {"officer_id": uuid("bob"), "case_id": uuid("case")}],
     [{**OFFICERS, "n": 1}, event("data_disclosed", 4, digest="ab" * 32), event("officer_looked_up", 5),
      event("erased_by_officers", 6)], set()),
    ("no unlock", [], [SESSION], LOCKED),
    ("another unlock", [unlocked(7)], [SESSION], LOCKED),
    ("another user's unlock", [unlocked(1, "bob")], [SESSION], LOCKED),
    ("an unlock that was refused", [SIGN_IN | {"kind": "unlock_refused"}], [SESSION], LOCKED),
    ("no unlock id", [SIGN_IN], [{name: SESSION[name] for name in SESSION if name != "unlock_id"}], LOCKED),
    ("a kind of a newer version", [SIGN_IN | {"kind": "unknown_99"}], [event("unknown_7", 1)], set()),
    ("more sessions than unlocks", [SIGN_IN], [SESSION, session(4, 1)], {("cross.unlock_reused", 1, 1)}),
    ("more unlocks than sessions", [SIGN_IN, unlocked(2)], [SESSION], set()),
    ("an event twice", [SIGN_IN], [SESSION, READ, READ], {("event.twice", 2, 2)}),
    ("another event of the same id", [SIGN_IN, SIGN_IN | {"epoch": 2}], [], {("event.twice", 1, 1)}),
    ("an id that ends alike", [SIGN_IN, unlocked(2) | {"event_id": OTHER_ID}], [], set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "records", "expected"), [one[1:] for one in STORIES], ids=[one[0] for one in STORIES]
)
def test_the_two_trails_must_tell_the_same_story(
    tmp_path: Path, keys: list[Event], records: list[Event], expected: Found
) -> None:
    seen = report(told(tmp_path, keys, records))

    assert found(seen) == expected
    assert seen.notices == []


def test_sessions_younger_than_the_keys_checkpoint_are_counted_not_accused(tmp_path: Path) -> None:
    """Up to the older of the two checkpoints, less a minute for what was under way."""
    at = COSIGNED - int(START.timestamp()) - 500
    export = told(tmp_path, [], [session(at - 61, 1), session(at - 60, 2), session(at + 9, 3)])
    export.keys.cosigned_at = COSIGNED - 500
    export.write()

    seen = report(export)
    assert found(seen) == {("cross.session_without_unlock", 0, 0)}
    assert seen.notices == ["2 sessions are younger than the keys log's checkpoint: compare them next time"]

    export.keys.cosigned_at = COSIGNED
    export.write()
    assert len(report(export).findings) == 3


def test_a_session_that_is_dated_ahead_of_its_own_checkpoint_is_not_excused_for_ever(tmp_path: Path) -> None:
    """Whoever invents one could have it called too young in each export, until the year that it names."""
    at = COSIGNED - int(START.timestamp())
    export = told(tmp_path, [], [session(at + 60, 1), session(at + 61, 2), session(at + 10**9, 3)])
    export.keys.cosigned_at = COSIGNED - 500
    export.write()

    seen = report(export)
    assert found(seen) == {
        ("cross.session_without_unlock", 1, 1),
        ("cross.session_without_unlock", 2, 2),
    }
    assert seen.notices == ["1 sessions are younger than the keys log's checkpoint: compare them next time"]

    export.records.cosigned_at = 253_402_300_799  # the last second that a cosignature may name
    export.write()
    assert len(report(export).findings) == 0


def test_a_witness_that_dates_the_keys_checkpoint_back_excuses_no_session_from_before_its_last_event(
    tmp_path: Path,
) -> None:
    """The records side may be the only witness, and is who would invent sessions."""
    export = told(tmp_path, [unlocked(900)], [session(839, 1), session(840, 2)])
    export.keys.cosigned_at = 1
    export.write()

    seen = report(export)
    assert found(seen) == {("cross.session_without_unlock", 0, 0)}
    assert seen.notices == ["1 sessions are younger than the keys log's checkpoint: compare them next time"]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b"null ", leaf(SESSION).replace(b'"v":1', b'"v":2'), leaf(SESSION) + b" ",
        leaf(SESSION | {"name": "Ana"}), leaf(SESSION | {"epoch": 1}),
        leaf(SESSION).replace(b'"n":1', b'"n":01'), leaf(SESSION).replace(b".000000Z", b"Z"),
        leaf(SESSION).replace(b".000000Z", b".000000+00:00"), leaf(SESSION | {"unlock_id": "x"}),
        leaf(SESSION).replace(b"session_opened", b"Session_opened"), b'{"v":1,' + leaf(SESSION)[1:],
        leaf(SESSION | {"digest": "abc"}),
    ],
    ids=["empty", "no members", "null and a space", "version", "space", "free text", "the other log's",
         "leading zero", "no fraction", "time zone", "no uuid", "upper case", "not sorted", "half a byte"],
)  # fmt: skip
def test_a_signed_event_that_has_not_the_one_form_is_named(tmp_path: Path, line: bytes) -> None:
    export = told(tmp_path, [SIGN_IN], [SESSION])
    export.records.leaves.append(line)
    export.records.sizes = [2]
    export.write()

    assert ("leaf.form", 1, 1) in found(report(export))


def test_what_a_changed_log_says_is_not_held_against_the_other(tmp_path: Path) -> None:
    """One deleted unlock is one finding, not a thousand."""
    export = told(tmp_path, [SIGN_IN, unlocked(2)], [SESSION, session(3, 2)])
    export.set_lines("keys", [leaf(SIGN_IN)])

    seen = report(export)
    assert found(seen) == {("log.truncated", 1, 1)}
    assert seen.notices == ["the trails were not held against each other: a log is not what was logged"]
