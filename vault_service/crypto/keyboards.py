"""Walks over the keys of common keyboards: stretches where each key touches the one before."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_Key = tuple[int, int]  # row, place in the row
_Step = tuple[int, int]

# The neighbours in the row, and two each in the rows above and below.
_TOUCHING: frozenset[_Step] = frozenset({(0, 1), (0, -1), (1, 0), (1, -1), (-1, 0), (-1, 1)})
_SHORTEST_STRAIGHT = 3  # the columns of 1qaz2wsx; shorter ones are in every word
_SHORTEST_BENT = 5  # "were" and "tree" are walks too, and prove nothing


@dataclass(frozen=True, slots=True)
class Walk:
    """Where it lies in the text, and its steps."""

    start: int
    end: int
    steps: tuple[_Step, ...]

    @property
    def turns(self) -> int:
        """How often the direction changes."""
        return sum(one != other for one, other in zip(self.steps, self.steps[1:], strict=False))


@cache
def _layouts() -> tuple[dict[str, _Key], ...]:
    source = (files("vault_service.crypto") / "data" / "keyboards.txt").read_text("utf-8")
    layouts: list[dict[str, _Key]] = []
    for block in source.split("\n\n"):
        rows = [line for line in block.splitlines() if line and not line.startswith("# ")]
        layouts.append({key: (row, place) for row, keys in enumerate(rows) for place, key in enumerate(keys)})
    return tuple(layout for layout in layouts if layout)


def find_walks(text: str) -> Iterator[Walk]:
    """All longest walks of the text on each layout; those of two layouts may overlap."""
    for layout in _layouts():
        start, steps = 0, list[_Step]()
        for end in range(1, len(text) + 1):
            step = _step(layout, text[end - 1], text[end]) if end < len(text) else None
            if step is not None:
                steps.append(step)
                continue
            walk = Walk(start, end, tuple(steps))
            shortest = _SHORTEST_BENT if walk.turns else _SHORTEST_STRAIGHT
            if end - start >= shortest:
                yield walk
            start, steps = end, []


def _step(layout: dict[str, _Key], here: str, there: str) -> _Step | None:
    one, other = layout.get(here), layout.get(there)
    if one is None or other is None:
        return None
    step = (other[0] - one[0], other[1] - one[1])
    return step if step in _TOUCHING else None
