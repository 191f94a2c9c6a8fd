"""docs/columns.md says of every column what holds it: one that nobody thought about is a way in unseen."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs/columns.md").read_text("utf-8")
_NO_COLUMNS = {"CONSTRAINT", "CASE", "WHEN", "ELSE"}


def in_the_schema(side: str) -> list[str]:
    """table.column of each table of our own: the job queue's are procrastinate's, and stand elsewhere."""
    dump = Path(__file__).with_name(f"expected_{side}.sql").read_text("utf-8")
    return [
        f"{table}.{line.split()[0]}"
        for table, body in re.findall(
            r"^CREATE TABLE public\.(\w+) \(\n(.*?)^\)", dump, re.DOTALL | re.MULTILINE
        )
        for line in body.splitlines()
        if re.match(r"    \w", line) and line.split()[0] not in _NO_COLUMNS
    ]


def on_the_page(heading: str) -> list[str]:
    """table.column of each row below the heading."""
    section = _PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    assert all(len(row) == 4 and all(map(str.strip, row)) for row in rows)
    return [
        f"{table.strip()}.{column}"
        for table, columns, *_ in rows
        if table.strip() not in {"table", "---"}
        for column in columns.split(", ")
    ]


@pytest.mark.parametrize(("side", "heading"), [("keys", "Keys database"), ("records", "Records database")])
def test_the_page_speaks_of_every_column_once(side: str, heading: str) -> None:
    assert sorted(on_the_page(heading)) == sorted(in_the_schema(side))
