"""Plots as SVG, drawn here: no script, no library, nothing from elsewhere.

Each is a figure with a title, one sentence that says what one would see, a legend whose marks differ in
more than colour, and its numbers as a table. Colours come from parts.css, so that dark and light differ.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vault_service.web.texts import say
from vault_service.web.times import number

_WIDTH, _HEIGHT = 640, 230  # units of the picture; text is 12 of them high
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30
_PLOT_W, _PLOT_H = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
_LINES = 4  # of the grid, about
_LABELS = 7  # below the plot, at most
_LETTER = 6.7  # of 12 units' height, about, and rather more than less
_BETWEEN = 12  # two labels, at least
_DOTS = 45  # more points than this are a line only
_SEVERAL = 2  # series; one alone is named by the title
_STYLES = 4  # series that differ to the eye
_GAP = 0.25  # of a bar's place


@dataclass(frozen=True, slots=True)
class Series:
    """One kind of thing that is counted; a value that is missing (None) is a gap, not nothing."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to be drawn. All texts are in the reader's language already."""

    name: str  # unique on its page: letters, digits and hyphens
    title: str
    says: str  # what one sees, for whoever does not: 31 cases in 30 days, at most 4 a day
    labels: tuple[str, ...]  # one for each value: days, hours
    series: tuple[Series, ...]
    heading: str = ""  # of the table's first column
    per: str = ""  # what a value is counted over: per day (UTC)
    ticks: tuple[tuple[int, str], ...] = ()  # which values have a label below, and what; none: as many as fit

    def __post_init__(self) -> None:
        """Every series has a value for each label."""
        if len(self.series) > _STYLES or any(len(each.values) != len(self.labels) for each in self.series):
            raise ValueError("a value for each label, and four series at most")


def bars(plot: Plot) -> Markup:
    """Counts over time; several series stand on top of each other."""
    totals = [sum(each.values[at] or 0 for each in plot.series) for at in range(len(plot.labels))]
    top, step = _scale(totals)
    place = _PLOT_W / max(1, len(plot.labels))
    drawn = [_patterns(plot)]
    for at, label in enumerate(plot.labels):
        below = 0.0
        for n, each in enumerate(plot.series, 1):
            value = each.values[at] or 0
            if value <= 0:
                continue
            x, y = _LEFT + place * (at + _GAP / 2), _y(below + value, top)
            height = _y(below, top) - y
            drawn.append(
                _bar(plot, n, (x, y, place * (1 - _GAP), height), f"{label} · {each.name}: {number(value)}")
            )
            below += value
    places = [place * (at + 0.5) for at in range(len(plot.labels))]
    return _figure(plot, (top, step), Markup().join(drawn), places, _legend(plot, _swatch))


def lines(plot: Plot) -> Markup:
    """Amounts over time, each series a line of its own."""
    top, step = _scale([value for each in plot.series for value in each.values if value is not None])
    apart = _PLOT_W / max(1, len(plot.labels) - 1)
    drawn: list[Markup] = []
    for n, each in enumerate(plot.series, 1):
        for run in _runs(each.values):
            points = " ".join(f"{_LEFT + apart * at:.1f},{_y(value, top):.1f}" for at, value in run)
            drawn.append(Markup('<polyline class="line s{}" points="{}"/>').format(n, points))
            if len(plot.labels) <= _DOTS or len(run) == 1:  # a line of one point is none
                drawn += [
                    Markup(
                        '<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>'
                    ).format(
                        n,
                        _LEFT + apart * at,
                        _y(value, top),
                        f"{plot.labels[at]} · {each.name}: {number(value)}",
                    )
                    for at, value in run
                ]
    places = [apart * at for at in range(len(plot.labels))]
    return _figure(plot, (top, step), Markup().join(drawn), places, _legend(plot, _stroke))


def _scale(values: Sequence[float]) -> tuple[float, float]:
    """The top of the axis, and how far its lines are apart: 1, 2 or 5 times a power of ten, never below 1."""
    highest = max((value for value in values if math.isfinite(value)), default=0)
    if highest <= 0:
        return 1, 1
    rough = highest / _LINES
    power = 10 ** math.floor(math.log10(rough))
    step = max(1.0, next(each * power for each in (1, 2, 5, 10) if each * power >= rough))
    return step * math.ceil(highest / step), step


def _y(value: float, top: float) -> float:
    return _TOP + _PLOT_H * (1 - min(max(value, 0), top) / top)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap."""
    found: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None or not math.isfinite(value):
            found.append([])
        else:
            found[-1].append((at, value))
    return [run for run in found if run]


def _patterns(plot: Plot) -> Markup:
    """Stripes, so that series differ for those who see no colours."""
    stripes = [
        Markup(
            '<pattern id="{}-{}" width="6" height="6" patternUnits="userSpaceOnUse" '
            'patternTransform="rotate({})"><path class="hatch" d="M0 0V6"/></pattern>'
        ).format(plot.name, n, 45 * (n - 1))
        for n in range(2, len(plot.series) + 1)
    ]
    return Markup("<defs>{}</defs>").format(Markup().join(stripes)) if stripes else Markup()


def _bar(plot: Plot, n: int, box: tuple[float, float, float, float], says: str) -> Markup:
    at = Markup('x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"').format(*box)
    drawn = Markup('<rect class="fill s{}" {}><title>{}</title></rect>').format(n, at, says)
    if n > 1:
        drawn += Markup('<rect fill="url(#{}-{})" pointer-events="none" {}/>').format(plot.name, n, at)
    return drawn


def _figure(
    plot: Plot, scale: tuple[float, float], drawn: Markup, places: list[float], legend: Markup
) -> Markup:
    top, step = scale
    grid = Markup().join(
        Markup(
            '<line class="{}" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(
            "grid" if at else "axis", _LEFT, _WIDTH - _RIGHT, _y(at * step, top), _y(at * step, top),
            _LEFT - 8, _y(at * step, top) + 4, number(at * step),
        )
        for at in range(round(top / step) + 1)
    )  # fmt: skip
    below = Markup().join(
        Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            _LEFT + place, _HEIGHT - 10, label
        )
        for label, place in _below(plot, places)
    )
    return Markup(
        '<figure class="plot"><figcaption>{title} <span class="quiet">{per}</span></figcaption>{legend}'
        '<div class="wide" role="region" aria-label="{title}" tabindex="0">'
        '<svg viewBox="0 0 {w} {h}" role="img" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{says}</desc>{inside}</svg></div>'
        "{table}</figure>"
    ).format(
        title=plot.title, per=plot.per, legend=legend, name=plot.name, says=plot.says, w=_WIDTH, h=_HEIGHT,
        inside=grid + below + drawn, table=_table(plot),
    )  # fmt: skip


def _below(plot: Plot, places: list[float]) -> Iterator[tuple[str, float]]:
    """The labels of the axis, each with its middle."""
    if not plot.ticks:
        yield from ((plot.labels[at], place) for at, place in _labelled(plot.labels, places))
        return
    for at, label in plot.ticks:
        half = len(label) * _LETTER / 2
        yield label, min(max(places[at], half - _LEFT), _PLOT_W + _RIGHT - half)


def _labelled(labels: Sequence[str], places: Sequence[float]) -> list[tuple[int, float]]:
    """Which values get a label, and where its middle is: the newest for certain, and none on another."""
    if not places:
        return []
    half = max(map(len, labels)) * _LETTER / 2
    least, most = half - _LEFT, _PLOT_W + _RIGHT - half  # within the picture
    found = [(len(places) - 1, min(places[-1], most))]
    every = max(1, math.ceil(len(places) / _LABELS))
    for at in range(len(places) - 1 - every, -1, -every):
        place = max(places[at], least)
        if place + 2 * half + _BETWEEN <= found[-1][1]:
            found.append((at, place))
    return found[::-1]


def _legend(plot: Plot, mark: Callable[[Plot, int], Markup]) -> Markup:
    if len(plot.series) < _SEVERAL:
        return Markup()
    marks = Markup().join(
        Markup('<li><svg viewBox="0 0 28 12" aria-hidden="true" focusable="false">{}</svg>{}</li>').format(
            mark(plot, n), each.name
        )
        for n, each in enumerate(plot.series, 1)
    )
    return Markup('<ul class="legend">{}</ul>').format(marks)


def _swatch(plot: Plot, n: int) -> Markup:
    return _bar(plot, n, (1, 0, 26, 12), "")


def _stroke(_plot: Plot, n: int) -> Markup:
    return Markup('<path class="line s{}" d="M2 6H26"/>').format(n)


def _table(plot: Plot) -> Markup:
    heads = Markup().join(
        Markup('<th scope="col" class="number">{}</th>').format(each.name) for each in plot.series
    )
    rows = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(label, _cells(plot, at))
        for at, label in enumerate(plot.labels)
    )
    return Markup(
        '<details><summary>{}</summary><div class="wide" role="region" aria-label="{}" tabindex="0"><table>'
        '<caption class="visually-hidden">{}</caption>'
        '<thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(say("The numbers"), plot.title, plot.title, plot.heading or say("When"), heads, rows)


def _cells(plot: Plot, at: int) -> Markup:
    values = (each.values[at] for each in plot.series)
    return Markup().join(
        Markup('<td class="number">{}</td>').format(Markup("&ndash;") if value is None else number(value))
        for value in values
    )
