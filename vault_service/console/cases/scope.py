"""What a disclosure is to hand out, as it is ticked and typed.

A scope without fields means every field, those of later too. So it comes from a box that says so, and
never from a collection of which nothing was ticked.
"""

from collections.abc import Mapping, Sequence

from vault_service.domain.case import CollectionScope
from vault_service.domain.errors import InvalidInputError
from vault_service.policy.rules import CollectionRule

EVERY = "*"


def scope_of(
    collections: Mapping[str, CollectionRule], ticked: Sequence[str], typed: str
) -> tuple[CollectionScope, ...]:
    """What was ticked and typed, as scopes. Raises InvalidInputError.

    `ticked`: "contact/phone" or "contact/*"; `typed`: a collection a line, "notes" or "notes: title, text".
    """
    chosen: dict[str, list[str]] = {}
    for each in ticked:
        name, slash, field = each.partition("/")
        known = collections.get(name)
        if not slash or known is None or not (field == EVERY or field in known.fields):
            raise InvalidInputError("fields", "there is no such field")
        chosen.setdefault(name, []).append(field)
    scopes = [
        CollectionScope(name, () if EVERY in fields else tuple(dict.fromkeys(fields)))
        for name, fields in chosen.items()
    ]
    scopes += [_line(line) for line in typed.splitlines() if line.strip()]
    names = [scope.collection for scope in scopes]
    if not scopes:
        raise InvalidInputError("fields", "say what is to be handed out")
    if len(set(names)) != len(names):
        raise InvalidInputError("fields", "one collection is named twice")
    return tuple(scopes)


def _line(line: str) -> CollectionScope:
    name, colon, fields = line.partition(":")
    named = tuple(field.strip() for field in fields.split(","))
    if not name.strip() or (colon and not all(named)):
        raise InvalidInputError("others", "write it like notes, or like notes: title, text")
    return CollectionScope(name.strip(), named if colon else ())
