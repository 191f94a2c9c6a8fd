"""Many operations in one request: what is asked, and what comes back for each."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import httpx

from vault_service.client.answers import Fields, Record
from vault_service.client.errors import Problem, VaultApiError, error_of
from vault_service.client.sending import decode


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
    """What became of one operation: a record (after deleting: none), or why it was refused."""

    status: int  # as a request of its own would have had
    record: Record | None = None
    error: VaultApiError | None = None


@dataclass(frozen=True, slots=True)
class _ResultShown:
    """As the API shows it: the members of a record, or those of a problem."""

    status: int
    record_id: UUID | None = None
    collection: str = ""
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    fields: Fields = field(default_factory=dict[str, Any])
    warnings: tuple[str, ...] = ()
    code: str | None = None
    detail: str = ""
    remedy: str = ""

    def result(self) -> Result:
        if self.code is not None:
            return Result(
                self.status, error=error_of(Problem(self.code, self.status, self.detail, self.remedy))
            )
        if self.record_id is None or self.version is None or not self.created_at or not self.updated_at:
            return Result(self.status)
        record = Record(
            self.record_id, self.collection, self.version, self.created_at, self.updated_at, self.fields,
            self.warnings,
        )  # fmt: skip
        return Result(self.status, record)


@dataclass(frozen=True, slots=True)
class _BatchShown:
    results: tuple[_ResultShown, ...]


def decode_results(response: httpx.Response) -> tuple[Result, ...]:
    """One result for each operation, in order. Raises UnexpectedAnswerError."""
    return tuple(shown.result() for shown in decode(response, _BatchShown).results)


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
