"""What somebody wants to store: checked against its collection's rule, sealed, and made findable."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vault_service.crypto.dek import Dek
from vault_service.domain.errors import InvalidInputError
from vault_service.domain.ids import RecordId
from vault_service.policy.rules import CollectionRule
from vault_service.records.codec import Content, seal_record
from vault_service.records.contact import check_fields
from vault_service.records.strict_json import parse_object
from vault_service.storage.records.changes import NewVersion, Replaced

MAX_FIELDS = 65_536  # bytes of raw JSON

_COLLECTION = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_FREE = "free"


@dataclass(frozen=True, slots=True)
class Draft:
    """Content that may be stored, and what it will be found by."""

    content: Content
    index: Mapping[str, str] = field(repr=False)  # searchable field -> normalised value
    warnings: tuple[str, ...]

    def seal(self, dek: Dek, record: RecordId, *, version: int, replaces: Replaced | None) -> NewVersion:
        """Everything is ciphertext before any of it is sent to the database."""
        collection_tag, sealed = seal_record(dek, record, version, self.content)
        tags = (
            dek.blind_tag(self.content.collection, name, value) for name, value in sorted(self.index.items())
        )
        return NewVersion(record, version, replaces, collection_tag, sealed, tuple(tags))


def rule_of(collections: Mapping[str, CollectionRule], collection: str) -> CollectionRule:
    """The collection's own rule, or that of free names. Raises InvalidInputError for no name at all."""
    if _COLLECTION.fullmatch(collection) is None:
        raise InvalidInputError(
            "collection", "a collection is named by 1 to 64 of a-z, 0-9, _ and -, the first of them a letter"
        )
    return collections.get(collection, collections[_FREE])


def check_draft(collections: Mapping[str, CollectionRule], collection: str, fields: bytes) -> Draft:
    """Raises InvalidInputError, MalformedJsonError, BodyTooLargeError."""
    rule = rule_of(collections, collection)
    index, warnings = check_fields(rule, parse_object(fields, max_bytes=MAX_FIELDS, part="fields"))
    return Draft(Content(collection, fields), index, warnings)
