"""What the model knows: people, their sessions and records, and the values that are tried."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from vault_service.client import UserSession

TITLES = ("plums", "Figs", "two pears")
COLLECTIONS = ("note", "recipe")
LOGINS = range(3)

# No NUL and no lone surrogates: those are refused, which tests/records/test_strict_json.py shows.
_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_numbers = st.integers(1 - 2**53, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_json = st.recursive(
    st.none() | st.booleans() | _numbers | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
fields_of = st.fixed_dictionaries(
    {}, optional={"title": st.sampled_from(TITLES), "body": _json, "more": _json}
)
patches = st.dictionaries(st.sampled_from(("title", "body", "more")), st.none() | _json, max_size=3).map(
    lambda patch: {**patch, "title": "plums"} if patch.get("title") is not None else patch  # a text, or gone
)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@dataclass
class Kept:
    """A record as it should be."""

    collection: str
    fields: dict[str, Any]
    version: int = 1


@dataclass
class Person:
    """A user as it should be."""

    user_id: UUID
    password: str
    must_change: bool = False
    records: dict[UUID, Kept] = field(default_factory=dict)  # in the order in which they were made
    reads: Counter[UUID] = field(default_factory=Counter)


@dataclass
class Begun:
    """A session there ever was."""

    person: Person
    session: UserSession
    ended: bool = False
