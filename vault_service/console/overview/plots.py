"""What is drawn: cases over time, log-ins and failures, bulk reads, how far a rotation is."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from markupsafe import Markup

from vault_service.domain.case import CaseKind
from vault_service.recovery.activity import BULK, REFUSED, SIGNED_IN, Counts
from vault_service.recovery.progress import Turn
from vault_service.web.charts import Plot, Series, bars, lines
from vault_service.web.texts import say, say_n
from vault_service.web.times import number

_HOURLY_UP_TO = 7  # days; of more, each day is one value
_POINTS = 24  # of a rotation's picture
_HOURS_OF_FEW_DAYS, _BETWEEN_H = 48, 6
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def days_of(counts: Counts | None, days: int, now: datetime) -> tuple[datetime, ...]:
    """The beginnings of the stretches that are counted, oldest first, today's among them."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today - timedelta(days=days - 1)
    if counts is None or days > _HOURLY_UP_TO:
        return tuple(first + timedelta(days=n) for n in range(days))
    hours = int((now.astimezone(UTC) - first) / _HOUR) + 1
    return tuple(first + timedelta(hours=n) for n in range(hours))


def cases(opened: Sequence[tuple[datetime, CaseKind, str, int]], days: int, now: datetime) -> Markup:
    """Cases that were opened, by day and sort."""
    places = days_of(None, days, now)
    sorts: tuple[tuple[str, frozenset[CaseKind]], ...] = (
        (say("Access again"), frozenset({"regain"})),
        (say("Disclosures and erasures"), frozenset({"disclosure", "erasure"})),
        (say("Drills"), frozenset({"drill"})),
        (say("Officers and keys"), frozenset({"officer-change", "key-ceremony", "escrow-rotation"})),
    )
    series = tuple(
        Series(
            name,
            tuple(_at(place, [(day, n) for day, kind, _, n in opened if kind in kinds]) for place in places),
        )
        for name, kinds in sorts
    )
    total = sum(n for _, _, _, n in opened)
    says = say_n("%(n)s case in %(days)s days", "%(n)s cases in %(days)s days", total, days=days)
    of_each = [f"{each.name}: {number(n)}" for each in series if (n := sum(v or 0 for v in each.values))]
    return bars(
        Plot(
            "cases", say("Cases opened"), "; ".join((says, *of_each)),
            tuple(f"{place:%m-%d}" for place in places), series, say("Day (UTC)"), say("per day (UTC)"),
        )
    )  # fmt: skip


def sign_ins(counts: Counts, days: int) -> Markup:
    """Users' log-ins that were let in, and those that were not."""
    return _lines(
        counts, days, "sign-ins", say("Log-ins of users"),
        ((say("Signed in"), counts.events(SIGNED_IN)), (say("Refused"), counts.events(REFUSED))),
    )  # fmt: skip


def bulk_reads(counts: Counts, days: int) -> Markup:
    """Records that apps listed, searched or exported."""
    return _lines(
        counts, days, "bulk", say("Records read in bulk"), ((say("Records"), counts.records(BULK)),)
    )


def _lines(
    counts: Counts, days: int, name: str, title: str, of: tuple[tuple[str, Mapping[datetime, int]], ...]
) -> Markup:
    places = days_of(counts, days, counts.until)
    hourly = days <= _HOURLY_UP_TO
    step = _HOUR if hourly else _DAY
    series = tuple(
        Series(
            what,
            tuple(
                None
                if place.replace(hour=0) in counts.uncounted
                else sum(n for hour, n in found.items() if place <= hour < place + step)
                for place in places
            ),
        )
        for what, found in of
    )
    says = "; ".join(
        say(
            "%(what)s: %(n)s in all, at most %(most)s",
            what=each.name,
            n=number(sum(values)),
            most=number(max(values)),
        )
        for each in series
        if (values := [value for value in each.values if value is not None])
    )
    form = "%m-%d %Hh" if hourly else "%m-%d"
    heading = say("Hour (UTC)") if hourly else say("Day (UTC)")
    return lines(
        Plot(
            name, title, says, tuple(f"{place:{form}}" for place in places), series, heading,
            say("per hour (UTC)") if hourly else say("per day (UTC)"), _ticks(places) if hourly else (),
        )
    )  # fmt: skip


def _ticks(hours: Sequence[datetime]) -> tuple[tuple[int, str], ...]:
    """Days where they begin; of few days, what is between as well."""
    is_short = len(hours) <= _HOURS_OF_FEW_DAYS
    return tuple(
        (at, f"{hour:%m-%d}" if hour.hour == 0 else f"{hour:%Hh}")
        for at, hour in enumerate(hours)
        if hour.hour == 0 or (is_short and hour.hour % _BETWEEN_H == 0)
    )


def _at(place: datetime, found: Sequence[tuple[datetime, int]]) -> float:
    return sum(n for day, n in found if day == place)


def rotation(turn: Turn, known: Sequence[tuple[datetime, int]], now: datetime) -> Markup:
    """How many users were looked at when, evenly over its time; between two samples, a straight line."""
    end = turn.ended_at or now
    known = [(turn.started_at, 0), *known, (end, turn.looked_at)]
    length = max(end - turn.started_at, timedelta(seconds=1))
    places = [turn.started_at + length * n / _POINTS for n in range(_POINTS + 1)]
    form = "%H:%M:%S" if length < _HOUR else "%m-%d %H:%M"
    return lines(
        Plot(
            f"turn-{turn.rotation}", say("Users looked at"),
            say("%(n)s of %(of)s users", n=number(turn.looked_at), of=number(turn.of)),
            tuple(f"{place.astimezone(UTC):{form}}" for place in places),
            (Series(say("Users"), tuple(_between(known, place) for place in places)),), say("Time (UTC)"),
            say("until then (UTC)"),
        )
    )  # fmt: skip


def _between(known: Sequence[tuple[datetime, int]], place: datetime) -> float:
    before = max((each for each in known if each[0] <= place), default=known[0])
    after = min((each for each in known if each[0] >= place), default=known[-1])
    if after[0] <= before[0]:
        return before[1]
    return round(before[1] + (after[1] - before[1]) * ((place - before[0]) / (after[0] - before[0])))
