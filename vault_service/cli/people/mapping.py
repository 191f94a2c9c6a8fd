"""Which column becomes what: the login, the password, fields of a record, or the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vault_service.cli.people.source import BadRow, Row
from vault_service.domain.errors import InvalidInputError
from vault_service.records.strict_json import JsonValue

LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Person:
    """What one line becomes."""

    line: int
    login: str = field(repr=False)
    password: str | None = field(repr=False)  # None: one is made
    fields: dict[str, JsonValue] = field(repr=False)
    rest: dict[str, JsonValue] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mapping:
    """`fields`: (field of the record, column) pairs; `rest`: is what has no place kept as well?"""

    login: str
    fields: tuple[tuple[str, str], ...]
    password: str | None
    rest: bool

    def unused(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Columns that have no place."""
        used = {self.login, self.password, *(column for _, column in self.fields)}
        return tuple(column for column in columns if column not in used)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raises InvalidInputError for a column that is in no line of the file."""
        used = {self.login, *(column for _, column in self.fields), *filter(None, [self.password])}
        unknown = sorted(used - set(columns))
        if unknown:
            found = f"not in the file, which has {', '.join(columns) or 'no line that can be read'}"
            if len(columns) == 1:
                found += "; are its cells cut by another sign? See --delimiter"
            raise InvalidInputError(f"column {', '.join(unknown)}", found)

    def person(self, row: Row) -> Person | BadRow:
        """Raises nothing: a line without login or password is a bad one."""
        login = row.values.get(self.login)
        if not isinstance(login, str) or not login:
            return BadRow(row.line, "import.no_login", f"column {self.login} holds no text")
        password = row.values.get(self.password) if self.password else None
        if self.password and (not isinstance(password, str) or not password):
            return BadRow(row.line, "import.no_password", f"column {self.password} holds no text")
        fields = {name: row.values.get(column) for name, column in self.fields}
        rest = {column: row.values[column] for column in self.unused(tuple(row.values))} if self.rest else {}
        given = password if isinstance(password, str) else None
        return Person(row.line, login, given, _present(fields), _present(rest))


def parse_mapping(pairs: Sequence[str], *, password: str | None, rest: bool) -> Mapping:
    """From `target=column` texts. Raises InvalidInputError."""
    targets: dict[str, str] = {}
    for pair in pairs:
        target, equals, column = pair.partition("=")
        if not (target and equals and column):
            raise InvalidInputError(f"--map {pair}", "not of the form field=column")
        if target in targets:
            raise InvalidInputError(f"--map {pair}", f"{target} is mapped twice")
        targets[target] = column
    login = targets.pop(LOGIN, None)
    if login is None:
        raise InvalidInputError("--map", "login=COLUMN is missing: which column holds the login?")
    return Mapping(login, tuple(targets.items()), password, rest)


def _present(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: value for name, value in values.items() if value not in ("", None)}
