"""A table that a narrow window shows as cards is still a table to whoever hears it."""

import re

from markupsafe import Markup

from vault_service.web.static_files import StaticFiles
from vault_service.web.tables import labelled
from vault_service.web.templates import make_templates

_PAGE = """{% import "macros/tables.html" as tables %}
{% call tables.table("Cases", heads) %}<tr><th scope="row">a</th>
{% for _ in heads[1:] %}<td>1</td>{% endfor %}</tr>
{% endcall %}"""


def shown(*heads: str | tuple[str, str]) -> str:
    templates = make_templates(StaticFiles.of("vault_service.web"), "")
    return templates.from_string(_PAGE).render(heads=heads)


def roles(page: str) -> list[str]:
    return re.findall(r'role="(\w+)"', page)[1:]  # after the box's


def test_every_part_of_it_says_what_it_is() -> None:
    assert roles(shown("Case", "State", ("Users", "number"))) == [
        "table", "rowgroup", "row", *["columnheader"] * 3, "rowgroup", "row", "rowheader", "cell", "cell",
    ]  # fmt: skip


def test_each_cell_carries_the_head_of_its_column() -> None:
    assert re.findall(r'data-label="([^"]*)"', shown("Case", "State", ("Users", "number"))) == [
        "State", "Users",
    ]  # fmt: skip


def test_one_of_two_columns_fits_as_it_is() -> None:
    assert roles(shown("Part", "State")) == []


def test_a_cell_over_several_columns_has_no_head_and_a_new_row_begins_at_the_first() -> None:
    rows = Markup('<tr><th>a</th><td colspan="2">all</td></tr><tr><td>b</td><td>c</td><td>d</td></tr>')

    assert re.findall(r"<td([^>]*)>", labelled(rows, ["A", "B", "C"])) == [
        ' role="cell" colspan="2"',
        ' role="cell" data-label="A"',
        ' role="cell" data-label="B"',
        ' role="cell" data-label="C"',
    ]


def test_a_cell_that_says_nothing_is_marked_and_no_other() -> None:
    """A card of an entry that is about no user would have a row "User", and a dash."""
    cells = ("<td>&ndash;", '<td class="x"> &ndash; ', "<td>", "<td>&ndash;5", "<td>0", "<td>\u2013")
    rows = Markup("<tr>" + "".join(f"{each}</td>" for each in cells) + "</tr>")

    marked = re.findall(r"<td([^>]*)>", labelled(rows, "ABCDEF"))

    assert ["data-none" in each for each in marked] == [True, True, False, False, False, False]


def test_no_value_from_outside_takes_itself_out_of_sight() -> None:
    for value in ("&ndash;", "\u2013", " ", ""):
        assert "data-none" not in labelled(Markup("<tr><td>{}</td></tr>").format(value), "A")


def test_a_head_is_escaped_and_a_cell_holds_no_tag_of_its_text() -> None:
    rows = Markup("<tr><td>{}</td></tr>").format("<td>&<tr>")

    assert labelled(rows, ['"><script>']) == (
        '<tr role="row"><td role="cell" data-label="&#34;&gt;&lt;script&gt;">'
        "&lt;td&gt;&amp;&lt;tr&gt;</td></tr>"
    )
