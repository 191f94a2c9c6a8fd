"""Records: one at a time, and pages of them."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from vault_service.api.conditions import (
    etag,
    idempotency_key,
    is_known_already,
    under_any,
    versions_asked_for,
)
from vault_service.api.me import Cursor, Limit
from vault_service.api.route import JSON, Call, Gives, Moment, Nothing, Reply, Taken, route
from vault_service.api.who import SESSION
from vault_service.domain.errors import (
    BodyTooLargeError,
    ConcurrentChangeError,
    IdempotencyConflictError,
    IntegrityError,
    InvalidInputError,
    MustChangePasswordError,
    PreconditionFailedError,
    RecordNotFoundError,
)
from vault_service.domain.ids import RecordId
from vault_service.domain.tokens import SessionToken
from vault_service.records.conditions import MAX_CONDITIONS
from vault_service.records.store import Page, Record

Collection = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$(?!\n)",  # Python's $ would let a newline follow
        description="contact (full_name, phone, email, address, region) or a free name.",
    ),
]
Fields = Annotated[
    msgspec.Raw,
    Meta(
        description="A JSON object of up to 64 KiB, kept byte for byte.", extra_json_schema={"type": "object"}
    ),
]
_SEARCHABLE = (
    "Searchable as the project comes: of a contact full_name, email and phone (one without + with its region "
    "beside it); of free collections title, tag and reference."
)
Condition = Annotated[str, Meta(max_length=4096, description=f"field:value. {_SEARCHABLE}")]

_ONE_RECORD = (RecordNotFoundError, IntegrityError, MustChangePasswordError)
_CHANGE = (*_ONE_RECORD, PreconditionFailedError, ConcurrentChangeError, BodyTooLargeError)
_MERGE_PATCH = "application/merge-patch+json"


class NewRecord(Taken, frozen=True):
    """What to keep, and under which name."""

    collection: Collection
    fields: Fields


class FieldsGiven(Taken, frozen=True):
    """The new fields, or a merge patch for them."""

    fields: Fields


class RecordShown(msgspec.Struct, frozen=True):
    """A record; `fields` is what was sent, byte for byte."""

    record_id: UUID
    collection: str
    version: int
    created_at: Moment
    updated_at: Moment
    fields: Fields
    warnings: Annotated[
        tuple[str, ...] | UnsetType, Meta(description="Kept as written, but found to be odd.")
    ] = UNSET


class RecordsAsked(Taken, frozen=True):
    """Which records: a page of all, of a collection, or of those that hold given values."""

    collection: Collection | None = None
    where: Annotated[tuple[Condition, ...], Meta(max_length=MAX_CONDITIONS)] = ()
    limit: Limit = 50
    cursor: Cursor | None = None


class SearchAsked(Taken, frozen=True):
    """The same in a body: values stay out of addresses and of whatever logs those."""

    collection: Collection | None = None
    where: Annotated[
        Condition | Annotated[tuple[Condition, ...], Meta(max_length=MAX_CONDITIONS)] | dict[str, str],
        Meta(description=f'{{"field": "value", …}}, or the form that the query takes. {_SEARCHABLE}'),
    ] = ()
    limit: Limit = 50
    cursor: Cursor | None = None


class RecordsShown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page."""

    items: tuple[RecordShown, ...]
    next_cursor: Annotated[str, Meta(description="For the next page; null on the last.")] | None = (
        msgspec.field()
    )
    broken: Annotated[
        tuple[UUID, ...], Meta(description="Records that were altered or moved and do not open.")
    ] = ()


def shown(record: Record) -> RecordShown:
    """A record as the API shows it; its fields are spliced in as they stand."""
    return RecordShown(
        record.record, record.collection, record.version, record.created_at, record.updated_at,
        msgspec.Raw(record.fields), record.warnings or UNSET,
    )  # fmt: skip


def _reply(status: HTTPStatus, record: Record) -> Reply:
    return Reply(status, shown(record), {"ETag": etag(record.version)})


def _page(page: Page) -> Reply:
    answer = RecordsShown(tuple(map(shown, page.items)), page.next_cursor, tuple(page.broken))
    return Reply(HTTPStatus.OK, answer)


def _conditions(where: str | tuple[str, ...] | dict[str, str]) -> tuple[tuple[str, str], ...]:
    if isinstance(where, dict):
        return tuple(where.items())
    pairs: list[tuple[str, str]] = []
    for condition in (where,) if isinstance(where, str) else where:
        field, colon, value = condition.partition(":")
        if not colon or not field:
            raise InvalidInputError("where", "not of the form field:value")
        pairs.append((field, value))
    return tuple(pairs)


def _find(call: Call[SessionToken, RecordsAsked] | Call[SessionToken, SearchAsked]) -> Reply:
    asked = call.asked
    return _page(
        call.services.records.find(
            call.who, collection=asked.collection, where=_conditions(asked.where), limit=asked.limit,
            cursor=asked.cursor,
        )
    )  # fmt: skip


@route(
    "POST", "/v1/records", who=SESSION, takes=NewRecord, headers=("Idempotency-Key",),
    gives=Gives(HTTPStatus.CREATED, RecordShown, "The record is kept.", ("ETag", "Location")),
    refuses=(IdempotencyConflictError, MustChangePasswordError, BodyTooLargeError),
    example='{"collection": "contact", "fields": {"full_name": "Ana Silva", "email": "ana@example.org"}}',
)  # fmt: skip
def create_record(call: Call[SessionToken, NewRecord]) -> Reply:
    """Keep a new record.

    It is encrypted under the user's own key before it reaches the database. A value that looks odd
    (a telephone number that no country knows) is kept as written, with a warning.
    """
    record, _replayed = call.services.records.create(
        call.who, call.asked.collection, bytes(call.asked.fields),
        idempotency_key=idempotency_key(call.headers),
    )  # fmt: skip
    headers = {"ETag": etag(record.version), "Location": f"/v1/records/{record.record}"}
    return Reply(HTTPStatus.CREATED, shown(record), headers)


@route(
    "GET", "/v1/records", who=SESSION, takes=RecordsAsked,
    gives=Gives(HTTPStatus.OK, RecordsShown, "One page, in the order in which they were made."),
    refuses=(MustChangePasswordError,), example="collection=contact&limit=20",
)  # fmt: skip
def list_records(call: Call[SessionToken, RecordsAsked]) -> Reply:
    """List records, or find those that hold exact values.

    Several where parameters must all hold. Prefer POST /v1/records/search for values that are
    personal: addresses end up in the logs of whatever stands in between.
    """
    return _find(call)


@route(
    "POST", "/v1/records/search", who=SESSION, takes=SearchAsked,
    gives=Gives(HTTPStatus.OK, RecordsShown, "One page, in the order in which they were made."),
    refuses=(MustChangePasswordError,),
    example='{"collection": "contact", "where": {"email": "ana@example.org"}}',
)  # fmt: skip
def search_records(call: Call[SessionToken, SearchAsked]) -> Reply:
    """Find records by exact values, named in the body.

    Through an index under the user's own key: the database never learns what is looked for.
    """
    return _find(call)


@route(
    "GET", "/v1/records/{record_id}", who=SESSION, takes=Nothing, headers=("If-None-Match",),
    gives=(
        Gives(HTTPStatus.OK, RecordShown, "The record.", ("ETag",)),
        Gives(HTTPStatus.NOT_MODIFIED, None, "If-None-Match names the current version.", ("ETag",)),
    ),
    refuses=_ONE_RECORD,
)  # fmt: skip
def read_record(call: Call[SessionToken, Nothing]) -> Reply:
    """Read one record."""
    record = call.services.records.read(call.who, _record_id(call))
    if is_known_already(call.headers, record.version):
        return Reply(HTTPStatus.NOT_MODIFIED, None, {"ETag": etag(record.version)})
    return _reply(HTTPStatus.OK, record)


@route(
    "PUT", "/v1/records/{record_id}", who=SESSION, takes=FieldsGiven, headers=("If-Match",),
    gives=Gives(HTTPStatus.OK, RecordShown, "The record as it is now.", ("ETag",)), refuses=_CHANGE,
    example='{"fields": {"full_name": "Ana Silva", "email": "ana.silva@example.org"}}',
)  # fmt: skip
def replace_record(call: Call[SessionToken, FieldsGiven]) -> Reply:
    """Replace a record's fields.

    With If-Match, only if nobody changed the record since that version.
    """
    record, fields = _record_id(call), bytes(call.asked.fields)
    return _reply(
        HTTPStatus.OK,
        under_any(
            versions_asked_for(call.headers),
            lambda version: call.services.records.replace(call.who, record, fields, version),
        ),
    )


@route(
    "PATCH", "/v1/records/{record_id}", who=SESSION, takes=FieldsGiven, headers=("If-Match",),
    gives=Gives(HTTPStatus.OK, RecordShown, "The record as it is now.", ("ETag",)), refuses=_CHANGE,
    media_types=(_MERGE_PATCH, JSON),
    example='{"fields": {"phone": null, "address": "Rua Augusta 1, Lisboa"}}',
)  # fmt: skip
def patch_record(call: Call[SessionToken, FieldsGiven]) -> Reply:
    """Change some of a record's fields by a merge patch (RFC 7396): null removes a field.

    Whatever the patch does not name is kept byte for byte.
    """
    record, patch = _record_id(call), bytes(call.asked.fields)
    return _reply(
        HTTPStatus.OK,
        under_any(
            versions_asked_for(call.headers),
            lambda version: call.services.records.patch(call.who, record, patch, version),
        ),
    )


@route(
    "DELETE", "/v1/records/{record_id}", who=SESSION, takes=Nothing, headers=("If-Match",),
    gives=Gives(HTTPStatus.NO_CONTENT, None, "The record is gone."),
    refuses=(RecordNotFoundError, PreconditionFailedError, ConcurrentChangeError, MustChangePasswordError),
)  # fmt: skip
def delete_record(call: Call[SessionToken, Nothing]) -> Reply:
    """Delete one record."""
    record = _record_id(call)
    under_any(
        versions_asked_for(call.headers),
        lambda version: call.services.records.delete(call.who, record, version),
    )
    return Reply(HTTPStatus.NO_CONTENT)


def _record_id(call: Call[SessionToken, Nothing] | Call[SessionToken, FieldsGiven]) -> RecordId:
    return RecordId(call.id("record_id"))


ROUTES = (
    create_record, list_records, search_records, read_record, replace_record, patch_record, delete_record
)  # fmt: skip
