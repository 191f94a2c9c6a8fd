"""Read people from a file: CSV with a header (RFC 4180), or JSON Lines with an object each.

Values are taken as they stand: nothing is trimmed, folded or guessed. Only an empty cell of a CSV
file counts as no value, since CSV cannot tell the two apart.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.records.strict_json import JsonValue, parse_object


@dataclass(frozen=True, slots=True)
class Row:
    """One person; `line` is where it begins in the file, counted from 1."""

    line: int
    values: dict[str, JsonValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line that cannot be read."""

    line: int
    code: str
    problem: str  # without any value


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first look at the whole file found; `columns` in the order in which they came up."""

    people: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file of people, which can be read any number of times."""

    path: Path
    delimiter: str = ","

    def rows(self) -> Iterator[Row | BadRow]:
        """Person by person. Raises InvalidInputError where the file as a whole cannot be read."""
        try:
            # utf-8-sig: spreadsheets begin their files with a byte order mark.
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                if self.path.suffix == ".csv":
                    yield from self._csv(file)
                else:
                    yield from self._json_lines(file)
        except OSError as error:
            raise InvalidInputError(str(self.path), error.strerror or "cannot be read") from error
        except UnicodeDecodeError:
            raise InvalidInputError(str(self.path), "not UTF-8; convert it first") from None

    def survey(self) -> Survey:
        """Read it all once, before anything is sent. Raises InvalidInputError."""
        if self.path.suffix not in {".csv", ".jsonl"}:
            raise InvalidInputError(str(self.path), "neither .csv nor .jsonl")
        people = 0
        columns: dict[str, None] = {}
        for row in self.rows():
            people += 1
            if isinstance(row, Row):
                columns.update(dict.fromkeys(row.values))
        if people == 0:
            raise InvalidInputError(str(self.path), "nobody stands in it")
        return Survey(people, tuple(columns))

    def _csv(self, file: TextIO) -> Iterator[Row | BadRow]:
        reader = csv.reader(file, delimiter=self.delimiter, strict=True)
        try:
            header = next(reader, list[str]())
            if len(set(header)) != len(header) or not header:
                raise InvalidInputError(str(self.path), "the header is missing or names a column twice")
            begins = reader.line_num + 1  # a quoted cell may hold line ends
            for cells in reader:
                if len(cells) == len(header):
                    yield Row(begins, dict(zip(header, cells, strict=True)))
                elif cells:
                    yield BadRow(begins, "import.cells", f"{len(cells)} cells, {len(header)} columns")
                begins = reader.line_num + 1
        except csv.Error as error:
            raise InvalidInputError(f"{self.path}, line {reader.line_num}", str(error)) from None

    def _json_lines(self, file: TextIO) -> Iterator[Row | BadRow]:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield Row(number, parse_object(line.encode()))
            except VaultError as error:
                yield BadRow(number, error.code, error.detail)
