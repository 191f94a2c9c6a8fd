"""What a search asks for: searchable fields and the values they must have, in the index's spelling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vault_service.crypto.dek import DataKeys
from vault_service.domain.errors import InvalidInputError
from vault_service.policy.rules import CollectionRule
from vault_service.records.codec import Content
from vault_service.records.contact import REGION, check_fields
from vault_service.records.draft import MAX_FIELDS, rule_of
from vault_service.records.strict_json import parse_object

MAX_CONDITIONS = 16


@dataclass(frozen=True, slots=True)
class Search:
    """All of these must hold."""

    collection: str
    rule: CollectionRule
    wanted: tuple[tuple[str, str], ...] = field(repr=False)  # field, normalised value

    def tags(self, keys: DataKeys) -> tuple[tuple[bytes, ...], ...]:
        """What the database looks for: under each data key as many, distinct."""
        wanted = tuple(dict.fromkeys(self.wanted))
        return tuple(
            tuple(key.blind_tag(self.collection, name, value) for name, value in wanted) for key in keys.every
        )

    def fits(self, content: Content) -> bool:
        """Does an opened record hold what was asked for? A tag that was moved in the database lies."""
        if content.collection != self.collection:
            return False
        values, _ = check_fields(self.rule, parse_object(content.fields, max_bytes=MAX_FIELDS))
        return all(values.get(name) == value for name, value in self.wanted)


def parse_search(
    collections: Mapping[str, CollectionRule], collection: str | None, where: Sequence[tuple[str, str]]
) -> Search:
    """Normalise the values as those of a record are.

    `region` beside a telephone number says how to read it, as it does in a record. Raises
    InvalidInputError for a field that is not searchable, naming those that are.
    """
    if collection is None:
        raise InvalidInputError("where", "needs a collection")
    if len(where) > MAX_CONDITIONS:
        raise InvalidInputError("where", f"more than {MAX_CONDITIONS} conditions")
    rule = rule_of(collections, collection)
    dialled = REGION if "phone" in rule.fields.values() else None
    context = [(name, value) for name, value in where if name == dialled]
    asked = [(name, value) for name, value in where if name != dialled]
    if not asked or len(context) > 1:
        raise InvalidInputError("where", f"{REGION} goes once, beside a telephone number")
    wanted = (_normalise(rule, name, value, dict(context)) for name, value in asked)
    return Search(collection, rule, tuple(wanted))


def _normalise(rule: CollectionRule, name: str, value: str, context: Mapping[str, str]) -> tuple[str, str]:
    if name not in rule.searchable:
        raise InvalidInputError("where", f"only {', '.join(rule.searchable)} can be searched here")
    normalised, _ = check_fields(rule, {name: value, **context})
    if name not in normalised:
        raise InvalidInputError("where", f"{name} holds nothing that can be searched")
    return name, normalised[name]
