"""What a head covers never goes beyond what is in it, whatever becomes of the clock."""

from datetime import UTC, datetime, timedelta

from vault_service.audit.coverage import Coverage

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_what_was_visible_is_covered() -> None:
    coverage = Coverage()
    coverage.all_visible(NOON)
    assert coverage.until == NOON


def test_a_mark_is_covered_once_all_transactions_before_it_are_leaves() -> None:
    coverage = Coverage()
    coverage.mark(NOON, 100)
    coverage.mark(NOON + SECOND, 110)
    coverage.sealed_below(99)
    assert coverage.until < NOON
    coverage.sealed_below(105)
    assert coverage.until == NOON


def test_a_clock_that_was_set_back_covers_nothing_that_is_yet_to_come() -> None:
    coverage = Coverage()
    coverage.all_visible(NOON)

    coverage.mark(NOON - 60 * SECOND, 100)

    assert coverage.until == NOON - 60 * SECOND


def test_a_mark_from_before_the_clock_was_set_back_covers_no_time_that_is_yet_to_come() -> None:
    coverage = Coverage()
    coverage.begin(NOON)
    coverage.mark(NOON + SECOND, 100)
    coverage.mark(NOON - 60 * SECOND, 110)

    coverage.sealed_below(105)

    assert coverage.until == NOON - 60 * SECOND


def test_a_worker_that_begins_under_a_clock_behind_the_newest_checkpoint_goes_back_as_well() -> None:
    coverage = Coverage()
    coverage.begin(NOON)
    coverage.all_visible(NOON - SECOND)
    assert coverage.until == NOON - SECOND
