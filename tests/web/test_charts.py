"""Plots say what they show to those who do not see them, and draw nothing that is not so."""

import itertools
import re
import xml.etree.ElementTree as Xml
from collections.abc import Callable

import pytest

from vault_service.web.charts import Plot, Series, bars, lines


def plot(*series: tuple[float | None, ...], labels: int | None = None) -> Plot:
    days = tuple(f"{day} Nov" for day in range(1, (labels or len(series[0])) + 1))
    return Plot(
        "cases",
        "Cases",
        "few of them",
        days,
        tuple(Series(f"kind {n}", each) for n, each in enumerate(series)),
    )


def drawn(markup: str) -> Xml.Element:
    svg = re.search(r'<svg viewBox="0 0 640.*?</svg></div>', markup, re.S)
    assert svg is not None
    return Xml.fromstring(svg[0].removesuffix("</div>"))


def test_a_plot_has_a_name_and_a_sentence_and_its_numbers_as_a_table() -> None:
    made = bars(plot((1, 2, 3)))
    svg = drawn(made)

    assert svg.get("role") == "img"
    named = [svg.find(f"*[@id='{each}']") for each in (svg.get("aria-labelledby") or "").split()]
    assert [each.text for each in named if each is not None] == ["Cases", "few of them"]
    assert made.count('<th scope="row">') == 3
    assert '<caption class="visually-hidden">Cases</caption>' in made


def test_a_bar_is_as_high_as_its_number_and_stands_on_the_one_below() -> None:
    heights = [
        float(each.get("height", "")) for each in drawn(bars(plot((1, 4), (3, 0)))).findall("rect[@class]")
    ]

    first, on_top, alone = heights  # of nothing there is no bar
    assert on_top == pytest.approx(3 * first, abs=0.2)
    assert alone == pytest.approx(4 * first, abs=0.2)


def test_series_differ_in_more_than_colour() -> None:
    several = bars(plot((1, 2), (3, 4), (5, 6)))

    assert several.count("<pattern ") == 2
    assert several.count("<li>") == 3
    assert {each.get("class") for each in drawn(lines(plot((1, 2), (3, 4)))).iter("polyline")} == {
        "line s1",
        "line s2",
    }


def test_what_is_not_known_is_a_gap_and_not_nothing() -> None:
    made = lines(plot((1, None, 3, 4, float("nan"))))

    assert [each.get("points", "").count(",") for each in drawn(made).iter("polyline")] == [1, 2]
    assert "&ndash;" in made


@pytest.mark.parametrize("values", [(), (0,), (0, 0), (10**12,), (1,) * 400, (0.5, 0.25)])
def test_any_amount_can_be_drawn(values: tuple[float, ...]) -> None:
    for made in (bars(plot(values, labels=len(values))), lines(plot(values, labels=len(values)))):
        svg = drawn(made)
        numbers = [
            float(each.get(name, "0")) for each in svg.iter() for name in ("x", "y", "cx", "cy", "height")
        ]
        assert all(0 <= each <= 640 for each in numbers)
        assert 2 <= len(svg.findall("text")) <= 14


@pytest.mark.parametrize("n", [2, 7, 24, 30, 72, 90])
@pytest.mark.parametrize("kind", [bars, lines])
def test_no_label_of_the_axis_stands_on_another_or_leaves_the_picture(
    kind: Callable[[Plot], str], n: int
) -> None:
    hours = tuple(f"27 Nov {at % 24:02}:00" for at in range(n))
    made = drawn(kind(Plot("cases", "Cases", "few", hours, (Series("all", (1,) * n),))))

    places = [float(each.get("x", "")) for each in made.findall("text[@text-anchor='middle']")]
    wide = 12 * 6.2  # as chromium's Liberation Sans sets them
    assert all(after - before > wide for before, after in itertools.pairwise(places))
    assert wide / 2 <= places[0]
    assert places[-1] <= 640 - wide / 2
    assert [each.text for each in made.findall("text[@text-anchor='middle']")][-1] == hours[-1]


def test_it_holds_no_style_or_script_which_the_page_forbids() -> None:
    assert not re.search(r"style|script|on\w+=", bars(plot((1, 2), (3, 4))))


def test_values_and_labels_belong_together() -> None:
    with pytest.raises(ValueError, match="a value for each label"):
        plot((1, 2), labels=3)


def test_it_says_what_a_number_is_counted_over_and_names_the_places_that_are_wanted() -> None:
    labels = tuple(f"11-{27 + at // 24} {at % 24:02}h" for at in range(30))
    made = lines(
        Plot("cases", "Cases", "few", labels, (Series("all", (1,) * 30),), "", "per hour (UTC)",
             ((0, "11-27"), (24, "11-28"), (29, "a long word")))
    )  # fmt: skip
    below = drawn(made).findall("text[@text-anchor='middle']")

    assert '<figcaption>Cases <span class="quiet">per hour (UTC)</span>' in made
    assert [each.text for each in below] == ["11-27", "11-28", "a long word"]
    assert float(below[-1].get("x", "")) <= 640 - len("a long word") * 6.2 / 2


def test_a_value_that_stands_alone_is_seen() -> None:
    """Between two gaps, where there is no line."""
    made = drawn(lines(plot((*(None,) * 60, 3, None, 4, 5))))

    assert [each.get("cx") for each in made.iter("circle")] == [
        made.findall("polyline")[0].get("points", "").partition(",")[0]
    ]
