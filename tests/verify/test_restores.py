"""A restored backup begins a new generation, which the log explains for ever; nothing else loses leaves."""

import hashlib
from pathlib import Path

import pytest

from tests.verify.exports import (
    Event,
    Export,
    Log,
    event,
    leaf,
    session,
    sound_export,
    unlocked,
)
from tests.verify.verifying import found, names, report

BACKUP, ABANDONED, NOW = 400, 600, 450


def restored(export: Export, *, explain: bool = True, log: str = "records") -> Log:
    """Restored at 400 of 600 leaves; the new generation is 450 long."""
    old = export.records
    digest = hashlib.sha256(old.body(ABANDONED).encode()).hexdigest()
    said: Event = event("log_restored", 6500, digest=digest) if explain else event("accesses_read", 6500)
    leaves = [*old.leaves[:BACKUP], leaf(said), *(leaf(event("accesses_read", 6501 + n)) for n in range(49))]
    now = Log("records", leaves, [100, 256, 400, 401, NOW], generations={401: "/restored-1"})
    now.held = [old.note(ABANDONED), now.note(NOW)]
    return now


def written(export: Export, records: Log) -> Export:
    made = Export(export.folder, export.keys, records)
    made.write()
    return made


def test_an_accepted_restore_is_a_notice_that_says_what_was_lost(export: Export) -> None:
    seen = report(written(export, restored(export)))

    assert seen.findings == []
    (notice,) = seen.notices
    assert notice.startswith("records log: leaf 400 says that an older database was restored")
    assert notice.endswith("at size 600, its leaves 400 to 599 were lost")


def test_a_restore_that_lost_nothing_says_so(export: Export) -> None:
    old = export.records
    said = event("log_restored", 6500, digest=hashlib.sha256(old.body(ABANDONED).encode()).hexdigest())
    now = Log("records", [*old.leaves, leaf(said)], [100, 601], generations={601: "/restored-1"})
    now.held = [old.note(ABANDONED), now.note(601)]

    seen = report(written(export, now))

    assert seen.findings == []
    assert seen.notices[0].endswith("of the log as it was at size 600, nothing was lost")


def restored_twice(export: Export) -> Log:
    """Again, at 430 of the 450 leaves."""
    once = restored(export)
    digest = hashlib.sha256(once.body(NOW).encode()).hexdigest()
    said = leaf(event("log_restored", 7000, digest=digest))
    leaves = [*once.leaves[:430], said, *(leaf(event("accesses_read", 7001 + n)) for n in range(9))]
    generations = {401: "/restored-1", 431: "/restored-2"}
    now = Log("records", leaves, [100, 400, 401, 430, 431, 440], generations=generations)
    now.held = [*once.held, now.note(440)]
    return now


def test_of_two_restores_each_says_by_its_own_event_what_it_lost(export: Export) -> None:
    seen = report(written(export, restored_twice(export)))

    assert seen.findings == []
    said = [notice.partition("records log: leaf ")[2] for notice in seen.notices]
    assert [(one.split()[0], one.partition("at size ")[2]) for one in said] == [
        ("400", "600, its leaves 400 to 599 were lost"),
        ("430", "450, its leaves 430 to 449 were lost"),
    ]


def test_of_two_restores_none_explains_the_other(export: Export) -> None:
    log = restored_twice(export)
    log.held = log.held[1:]  # nobody remembers what the first gave up

    assert names(report(written(export, log))) == {"log.restore_unexplained"}


def test_a_restore_that_was_told_twice_after_a_crash_is_the_same_notice(export: Export) -> None:
    """The key service died between the event and its memory, and the operator accepted once more."""
    log = restored(export)
    digest = hashlib.sha256(export.records.body(ABANDONED).encode()).hexdigest()
    log.leaves[420] = leaf(event("log_restored", 6521, digest=digest))
    log = Log("records", log.leaves, [100, 256, 400, 401, NOW], generations={401: "/restored-1"})
    log.held = [export.records.note(ABANDONED), log.note(NOW)]

    seen = report(written(export, log))

    assert seen.findings == []
    assert [notice.split(" says")[0] for notice in seen.notices] == ["records log: leaf 400"]


def test_a_restore_without_its_event_is_unexplained(export: Export) -> None:
    assert names(report(written(export, restored(export, explain=False)))) == {"log.restore_unexplained"}


def test_a_restore_whose_abandoned_head_nobody_remembers_is_unexplained(export: Export) -> None:
    log = restored(export)
    log.held = log.held[1:]

    assert names(report(written(export, log))) == {"log.restore_unexplained"}


def test_a_restore_that_names_another_head_is_unexplained(export: Export) -> None:
    log = restored(export)
    log.held = [export.records.note(590), *log.held[1:]]

    assert names(report(written(export, log))) == {"log.restore_unexplained"}


def test_an_older_database_put_back_without_acceptance_is_truncated(export: Export) -> None:
    old = export.records
    log = Log("records", old.leaves[:BACKUP], [100, 256, 400], held=old.held)

    assert names(report(written(export, log))) == {"log.truncated"}


def test_a_generation_that_began_without_any_restore_is_unexplained(export: Export) -> None:
    log = Log("records", export.records.leaves, export.records.sizes, generations={500: "/restored-1"})

    assert names(report(written(export, log))) == {"log.restore_unexplained"}


def test_a_generation_that_goes_back_is_refused(export: Export) -> None:
    log = restored(export)
    log.generations = {401: "/restored-1", 440: ""}

    assert "note.origin" in names(report(written(export, log)))


def test_of_the_lost_part_a_kept_checkpoint_says_nothing_but_beyond_it_one_is_a_fork(export: Export) -> None:
    old = export.records
    made = written(export, restored(export))
    longer = Log("records", [*old.leaves, leaf(event("accesses_read", 9999))], [])
    other = Log("records", [leaf(event("accesses_read", 9999)), *old.leaves], [])

    lost = report(made, held={"lost": old.note(500)})
    assert (lost.findings, len(lost.notices)) == ([], 2)
    assert names(report(made, held={"before": old.note(333)})) == set()
    assert names(report(made, held={"never signed": longer.note(601)})) == {"log.fork"}
    assert names(report(made, held={"another past": other.note(300)})) == {"log.fork"}


def test_the_abandoned_copy_is_told_from_the_restored_one_by_the_head_of_the_new_generation(
    export: Export,
) -> None:
    assert names(report(export, held={"new": restored(export).note(NOW)})) == {"log.fork"}


def test_sessions_of_the_time_that_the_keys_log_lost_are_counted_and_others_compared(tmp_path: Path) -> None:
    """Their unlocks were lost with it; a session of any other time must still have its unlock."""
    export = sound_export(tmp_path / "export")
    old = export.keys
    digest = hashlib.sha256(old.body(60).encode()).hexdigest()
    leaves = [*old.leaves[:30], leaf(event("log_restored", 70, log="keys", digest=digest))]
    export.keys = Log("keys", leaves, [1, 30, 31], generations={31: "/restored-1"})
    export.keys.held = [old.note(60), export.keys.note(31)]
    events = [session(20 + n, n) for n in range(60)]  # unlocked at n; the keys log lost those from 30 on
    export.records = Log("records", [leaf(one) for one in events], [60])
    export.write()

    seen = report(export)
    assert seen.findings == []
    assert "30 sessions are of a time that the restored keys log has lost" in seen.notices

    margins = [session(-31, 5001), session(130, 5002), session(-32, 5003), session(131, 5004)]
    export.records.leaves += [leaf(one) for one in margins]  # from a minute before 29 to one after 70
    export.records.sizes = [64]
    export.write()
    seen = report(export)
    assert found(seen) == {("cross.session_without_unlock", index, index) for index in (62, 63)}
    assert "32 sessions are of a time that the restored keys log has lost" in seen.notices


@pytest.mark.parametrize(
    "at", ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000Z", "0000-00-00T00:00:00.000000Z"]
)
def test_a_restore_at_a_time_beyond_the_calendar_does_not_stop_the_verifier(tmp_path: Path, at: str) -> None:
    """Whoever runs the writer chooses its clock."""
    export = sound_export(tmp_path / "export")
    old = export.keys
    old.leaves = [*old.leaves[:29], leaf(unlocked(29) | {"at": at}), *old.leaves[30:]]
    digest = hashlib.sha256(old.body(60).encode()).hexdigest()
    said: Event = event("log_restored", 70, log="keys", digest=digest) | {"at": at}
    export.keys = Log("keys", [*old.leaves[:30], leaf(said)], [1, 30, 31], generations={31: "/restored-1"})
    export.keys.held = [old.note(60), export.keys.note(31)]
    export.write()

    assert names(report(export)) <= {"cross.session_without_unlock"}
