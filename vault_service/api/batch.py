"""Many operations on records in one request."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vault_service.api.conditions import idempotency_key
from vault_service.api.records import Fields, shown
from vault_service.api.route import MAX_BODY, Call, Gives, Moment, Reply, Taken, route
from vault_service.api.who import SESSION
from vault_service.domain.errors import (
    BatchFullError,
    ConcurrentChangeError,
    IdempotencyConflictError,
    IntegrityError,
    MustChangePasswordError,
    PreconditionFailedError,
    RecordNotFoundError,
    VaultError,
)
from vault_service.domain.ids import RecordId
from vault_service.domain.tokens import SessionToken
from vault_service.records.operations import MAX_OPERATIONS, Op, Operation, Result
from vault_service.web.problems import status_of, title_of

_DONE = {
    "create": HTTPStatus.CREATED,
    "read": HTTPStatus.OK,
    "update": HTTPStatus.OK,
    "delete": HTTPStatus.NO_CONTENT,
}


def _absent() -> msgspec.Raw:
    return msgspec.Raw(b"")


class OperationAsked(Taken, frozen=True):
    """One operation; which members it needs depends on `op`."""

    op: Op
    record_id: UUID | None = None
    collection: str | None = None
    fields: Fields = msgspec.field(default_factory=_absent)
    if_version: Annotated[int, Meta(ge=1)] | None = None

    def parsed(self) -> Operation:
        """As the use case takes it; null stands for absent."""
        raw = bytes(self.fields)
        return Operation(
            self.op,
            RecordId(self.record_id) if self.record_id is not None else None,
            self.collection,
            raw if raw not in {b"", b"null"} else None,
            self.if_version,
        )


class BatchAsked(Taken, frozen=True):
    """Operations, in order."""

    operations: Annotated[
        tuple[OperationAsked, ...],
        Meta(max_length=MAX_OPERATIONS, description="Up to 1,000, carried out in this order."),
    ]
    atomic: Annotated[bool, Meta(description="All or nothing.")] = False


class OperationDone(msgspec.Struct, frozen=True):
    """What became of one operation: the members of a record, or those of a problem."""

    status: Annotated[int, Meta(description="As the same request alone would have had.")]
    record_id: UUID | UnsetType = UNSET
    collection: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    created_at: Moment | UnsetType = UNSET
    updated_at: Moment | UnsetType = UNSET
    fields: Fields | UnsetType = UNSET
    warnings: tuple[str, ...] | UnsetType = UNSET
    code: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    remedy: str | UnsetType = UNSET


class BatchDone(msgspec.Struct, frozen=True):
    """One result for each operation, in the same order."""

    results: Annotated[
        tuple[OperationDone, ...],
        Meta(description="Of each operation its status, and the members of a record or of a problem."),
    ]


def _result(operation: Operation, result: Result) -> OperationDone:
    asked_for = operation.record if operation.record is not None else UNSET
    if result.error is not None:
        return _refused(asked_for, result.error)
    if result.record is None:
        return OperationDone(_DONE[operation.op], asked_for)
    record = shown(result.record)
    return OperationDone(
        _DONE[operation.op], record.record_id, record.collection, record.version, record.created_at,
        record.updated_at, record.fields, record.warnings,
    )  # fmt: skip


def _refused(record: UUID | UnsetType, error: VaultError) -> OperationDone:
    kind = type(error)
    return OperationDone(
        status_of(kind),
        record,
        code=kind.code,
        title=title_of(kind),
        detail=error.detail,
        remedy=error.remedy,
    )


@route(
    "POST", "/v1/records/batch", who=SESSION, takes=BatchAsked, headers=("Idempotency-Key",),
    gives=Gives(HTTPStatus.OK, BatchDone, "What became of each operation."),
    refuses=(
        IdempotencyConflictError, ConcurrentChangeError, MustChangePasswordError, RecordNotFoundError,
        PreconditionFailedError, IntegrityError, BatchFullError,
    ),
    max_body=16 * MAX_BODY, max_depth=36,
    example='{"operations": [{"op": "create", "collection": "note", "fields": {"title": "Milk"}}]}',
)  # fmt: skip
def run_batch(call: Call[SessionToken, BatchAsked]) -> Reply:
    """Carry out up to 1,000 operations in one transaction.

    create takes collection and fields; read takes record_id; update takes record_id and fields, which
    replace all, and may take if_version; delete takes record_id and may take if_version. An operation
    that is refused does not hold up the others; with atomic, one that is refused undoes all, and the
    problem has its index. Records of 16 MiB in all can be read or updated at once; operations on those
    beyond do nothing, have the status 413 with the code request.batch_full, and go into another batch.
    """
    operations = tuple(each.parsed() for each in call.asked.operations)
    results = call.services.records.batch(
        call.who, operations, atomic=call.asked.atomic, idempotency_key=idempotency_key(call.headers)
    )
    done = tuple(_result(operation, result) for operation, result in zip(operations, results, strict=True))
    return Reply(HTTPStatus.OK, BatchDone(done))


ROUTES = (run_batch,)
