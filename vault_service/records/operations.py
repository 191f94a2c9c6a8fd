"""What a batch is made of: operations in order, and one result for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from vault_service.domain.errors import InvalidInputError, VaultError
from vault_service.domain.ids import RecordId
from vault_service.records.service import Record

Op = Literal["create", "read", "update", "delete"]
MAX_OPERATIONS = 1000

# Which members each operation needs, and which it may have besides.
_NEEDS: dict[Op, frozenset[str]] = {
    "create": frozenset({"collection", "fields"}),
    "read": frozenset({"record"}),
    "update": frozenset({"record", "fields"}),
    "delete": frozenset({"record"}),
}
_MAY: dict[Op, frozenset[str]] = {
    "create": frozenset(),
    "read": frozenset(),
    "update": frozenset({"collection", "if_version"}),
    "delete": frozenset({"if_version"}),
}
_SPELLED = {"record": "record_id"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to do; `fields` is raw JSON and replaces all of a record's fields."""

    op: Op
    record: RecordId | None = None
    collection: str | None = None
    fields: bytes | None = field(default=None, repr=False)
    if_version: int | None = None

    def check(self) -> None:
        """Raises InvalidInputError when a member is missing, or one is there that means nothing."""
        given = {
            name
            for name in ("record", "collection", "fields", "if_version")
            if getattr(self, name) is not None
        }
        for name in sorted(_NEEDS[self.op] - given):
            raise InvalidInputError(_SPELLED.get(name, name), f"needed to {self.op} a record")
        for name in sorted(given - _NEEDS[self.op] - _MAY[self.op]):
            raise InvalidInputError(
                _SPELLED.get(name, name), f"has no meaning when one is to {self.op} a record"
            )

    def check_stays(self, collection: str) -> None:
        """Raises InvalidInputError when it names another collection than the record's."""
        if self.collection not in (None, collection):
            raise InvalidInputError("collection", "a record stays in its collection")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operation: a record, nothing (deleted), or the error it would have had alone."""

    op: Op
    record: Record | None = None
    error: VaultError | None = None


def encode_operations(operations: Sequence[Operation], *, atomic: bool) -> bytes:
    """All that was asked, in one encoding, for the HMAC that tells a retry from another request."""
    return msgspec.msgpack.encode(
        [atomic, [(o.op, o.record, o.collection, o.fields, o.if_version) for o in operations]]
    )
