"""Times, spans and numbers as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from vault_service.web.times import number, span, time_element

_NOON = datetime(2026, 11, 27, 12, 0, 30, 999_999, tzinfo=UTC)
_WEST = timezone(timedelta(hours=-8))


@pytest.mark.parametrize(
    "when",
    [
        _NOON,
        _NOON.astimezone(timezone(timedelta(hours=-8))),
        "2026-11-27T12:00:30.5Z",
        "2026-11-27T13:00:30+01:00",
    ],
)
def test_a_time_is_said_in_utc_whatever_zone_it_came_in(when: datetime | str) -> None:
    assert time_element(when) == '<time datetime="2026-11-27T12:00:30Z" data-when>2026-11-27 12:00 UTC</time>'


@pytest.mark.parametrize("when", [None, ""])
def test_a_time_that_there_is_not_is_a_dash(when: str | None) -> None:
    assert time_element(when) == "&ndash;"


SPANS = {
    0: "0 seconds", 1: "1 second", 59.4: "59 seconds", 60: "1 minute", 61: "1 minute", 3599: "59 minutes",
    3600: "1 hour", 3660: "1 hour 1 minute", 86_399: "23 hours 59 minutes", 86_400: "1 day",
    90_000: "1 day 1 hour", 86_460: "1 day", 200_000: "2 days 7 hours", -5: "0 seconds",
}  # fmt: skip


@pytest.mark.parametrize(("seconds", "said"), SPANS.items())
def test_a_span_is_said_by_its_two_greatest_parts(seconds: float, said: str) -> None:
    assert span(seconds) == said
    assert span(timedelta(seconds=seconds)) == said


def test_a_number_has_separators() -> None:
    assert number(1_234_567) == "1,234,567"
