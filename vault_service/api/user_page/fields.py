"""An entry's fields as rows of a form, and back: what nobody has touched is kept byte for byte.

A form shows the entry at one version and is saved on that version only. What it says is therefore the whole
entry: a name that is gone was removed, and the difference makes a merge patch (RFC 7396).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vault_service.domain.errors import InvalidInputError, MalformedJsonError
from vault_service.policy.rules import CollectionRule
from vault_service.records.contact import REGION
from vault_service.records.strict_json import JsonValue, parse_object
from vault_service.web.texts import mark

Kind = Literal["text", "json"]
EMPTY_ROWS = 3  # in a form of free names; whoever needs more saves, and gets as many again
LABELS: Mapping[str, str] = {  # of the collections that the project brings along
    "full_name": mark("Full name"),
    "phone": mark("Telephone"),
    "email": mark("E-mail"),
    "address": mark("Address"),
    REGION: mark("Country code"),
}
_LONG = 60  # characters; a longer text gets more than one line
_NAME_CHARACTERS = re.compile(r"[^a-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    name: str
    value: str = field(repr=False)
    kind: Kind = "text"
    purpose: str = "text"  # of a collection with fixed fields: name, phone, email, text

    @property
    def is_long(self) -> bool:
        """Does it need several lines?"""
        return self.kind == "json" or len(self.value) > _LONG or "\n" in self.value

    @property
    def label(self) -> str:
        """The name as people say it, for the catalogue."""
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True, slots=True)
class Change:
    """How a form changes an entry: by a merge patch, or as a whole where a patch could not say it."""

    fields: bytes = field(repr=False)
    is_patch: bool


def rows_of(fields: bytes) -> tuple[Row, ...]:
    """As they stand in the entry."""
    return tuple(_row(name, value) for name, value in parse_object(fields).items())


def _row(name: str, value: JsonValue) -> Row:
    if isinstance(value, str):
        return Row(name, value)
    return Row(name, _spelled(value), "json")


def form_rows(rule: CollectionRule, given: Sequence[Row]) -> tuple[Row, ...]:
    """What the form shows: of a collection with fixed fields all of them, of a free one some empty rows."""
    if not rule.fields:
        return (*given, *(Row("", "") for _ in range(EMPTY_ROWS)))
    values = {row.name: row.value for row in given}
    purposes: dict[str, str] = dict(rule.fields)
    if "phone" in purposes.values():
        purposes[REGION] = "region"
    return tuple(Row(name, values.get(name, ""), "text", purpose) for name, purpose in purposes.items())


def typed_rows(names: Sequence[str], values: Sequence[str], kinds: Sequence[str]) -> tuple[Row, ...]:
    """The rows of a form that was sent, but for those with nothing in them. Raises InvalidInputError."""
    if not len(names) == len(values) == len(kinds):
        raise InvalidInputError("form", "names, values and kinds do not fit together")
    rows = (
        Row(name.strip(), value.replace("\r\n", "\n"), "json" if kind == "json" else "text")
        for name, value, kind in zip(names, values, kinds, strict=True)
    )
    return tuple(row for row in rows if row.name or row.value)


def members_of(rows: Sequence[Row]) -> dict[str, JsonValue]:
    """Raises InvalidInputError for a value without a name, a name twice, or a value that is no JSON."""
    members: dict[str, JsonValue] = {}
    for row in rows:
        if not row.name:
            raise InvalidInputError("name", "a value has no name")
        if row.name in members:
            raise InvalidInputError("name", "two fields have the same name")
        members[row.name] = _parsed(row.value) if row.kind == "json" else row.value
    return members


def _parsed(text: str) -> JsonValue:
    try:
        (value,) = parse_object(b'{"value":' + text.encode() + b"}").values()  # `1, "b": 2` is not one value
    except (MalformedJsonError, ValueError):
        raise InvalidInputError("value", "a value is not written as JSON") from None
    return value


def encode(members: Mapping[str, JsonValue]) -> bytes:
    """Raw JSON for a new entry, without what was left empty."""
    return json.dumps(
        {name: each for name, each in members.items() if each != ""}, ensure_ascii=False
    ).encode()


def change_of(stored: bytes, given: Mapping[str, JsonValue]) -> Change | None:
    """None where nothing differs. A text that was emptied, as one whose row is gone, is removed."""
    before = parse_object(stored)
    kept = {name: each for name, each in given.items() if each != "" or before.get(name) == ""}
    changed = {
        name: each for name, each in kept.items() if name not in before or not _same(before[name], each)
    }
    gone: dict[str, JsonValue] = {name: None for name in before if name not in kept}
    if not changed and not gone:
        return None
    if any(
        isinstance(each, dict | None) for each in changed.values()
    ):  # a patch would merge it, or remove it
        return Change(json.dumps({**kept}, ensure_ascii=False).encode(), is_patch=False)
    return Change(json.dumps({**changed, **gone}, ensure_ascii=False).encode(), is_patch=True)


def _same(before: JsonValue, given: JsonValue) -> bool:
    """Browsers send each line break as one and the same; that is no change."""
    if isinstance(before, str) and isinstance(given, str):
        return before.replace("\r\n", "\n").replace("\r", "\n") == given.replace("\r", "\n")
    return _spelled(before) == _spelled(given)  # not ==, by which True is 1


def _spelled(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def collection_name(typed: str) -> str:
    """`Bank account` as collections are named: bank-account; the use case refuses what is still none."""
    return _NAME_CHARACTERS.sub("-", typed.strip().casefold()).strip("-")
