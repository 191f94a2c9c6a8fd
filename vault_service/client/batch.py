"""Many operations in one request: what is asked, and what comes back for each."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from vault_service.client.answers import Fields, Record


@dataclass(frozen=True, slots=True)
class Create:
    """Keep a new record."""

    collection: str
    fields: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """Read a record."""

    record_id: UUID


@dataclass(frozen=True, slots=True)
class Update:
    """Put other fields in place of all; with `if_version`, only if nobody changed it since."""

    record_id: UUID
    fields: Fields = field(repr=False)
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a record."""

    record_id: UUID
    if_version: int | None = None


Operation: TypeAlias = Create | Read | Update | Delete


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one operation: a status as a request of its own would have had."""

    status: int
    record: Record | None = None
    code: str | None = None
    detail: str | None = None

    @property
    def done(self) -> bool:
        """Did it succeed?"""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """One result for each operation, in order."""

    results: tuple[Result, ...]


def encode_operation(operation: Operation) -> dict[str, Any]:
    """As the API takes it; conditions that are not set are left out."""
    match operation:
        case Create(collection, fields):
            return {"op": "create", "collection": collection, "fields": fields}
        case Read(record_id):
            return {"op": "read", "record_id": str(record_id)}
        case Update(record_id, fields, if_version):
            return {"op": "update", "record_id": str(record_id), "fields": fields, **_if(if_version)}
        case Delete(record_id, if_version):
            return {"op": "delete", "record_id": str(record_id), **_if(if_version)}


def _if(version: int | None) -> dict[str, int]:
    return {} if version is None else {"if_version": version}
