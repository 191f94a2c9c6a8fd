"""Tables that become a list of cards in a narrow window (parts.css), and stay tables to screen readers.

Laid out as blocks, a table is none any more to some browsers, so each part says what it is (WAI-ARIA 1.2,
section 5.3), and each cell carries the head that is out of sight then.
"""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

_LEAST = 3
"""Columns. Of fewer, a narrow window shows the table as it is."""

# Of our own markup: what comes from outside has no < left. The third group: a cell that holds our dash alone;
# what comes from outside has no & left either, so no value can take itself out of sight.
_PARTS = re.compile(r"<(tr|td|th)\b([^>]*)>(?=(\s*&ndash;\s*</td>)?)")


def stacks(heads: Sequence[object]) -> bool:
    """Whether a table with these heads becomes cards."""
    return len(heads) >= _LEAST


def labelled(rows: Markup, heads: Sequence[str | tuple[str, str]]) -> Markup:
    """The rows of a body, with roles, and each cell with its head as `data-label`.

    `heads`: texts, or pairs of a text and a class. A cell that spans columns has no single head, and a
    row's own head needs none. A cell that holds `&ndash;` alone is `data-none`: a card leaves it out.
    """
    texts = [head if isinstance(head, str) else head[0] for head in heads]
    column = 0

    def part(found: re.Match[str]) -> str:
        nonlocal column
        name, attributes, nothing = found.groups()
        if name == "tr":
            column = 0
            return f'<tr role="row"{attributes}>'
        at, column = column, column + 1
        if name == "th":
            return f'<th role="rowheader"{attributes}>'
        label = "" if "colspan" in attributes or at >= len(texts) else f' data-label="{escape(texts[at])}"'
        none = "" if nothing is None else " data-none"
        return f'<td role="cell"{label}{none}{attributes}>'

    return Markup(_PARTS.sub(part, rows))  # noqa: S704  # rows are markup already; what is added is escaped
