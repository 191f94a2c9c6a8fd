"""A user's records: keep, read, find, change, delete."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from vault_service.client.answers import Fields, Record, RecordPage
from vault_service.client.batch import Operation, Result, decode_results, encode_operation
from vault_service.client.errors import BrokenRecordsError, VersionMismatchError
from vault_service.client.sending import Call, Repeat, Sender, decode, encode

_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}


class Records:
    """The records of the user whose session this is."""

    def __init__(self, sender: Sender, token: str) -> None:
        self._sender = sender
        self._token = token

    def create(self, collection: str, fields: Fields, *, idempotency_key: str | None = None) -> Record:
        """Keep a new record; a retry, by this method or with your own key, makes no second one.

        `collection`: `contact` (full_name, phone, email, address, and the phone's region; all text),
        or a free name for any JSON object of up to 64 KiB. Raises InvalidRequestError.
        """
        body = encode({"collection": collection, "fields": fields})
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        call = Call("POST", "/v1/records", self._token, body, headers=headers)
        return decode(self._sender.send(call), Record)

    def get(self, record_id: UUID) -> Record:
        """Raises NotFoundError, IntegrityError."""
        return decode(self._sender.send(Call("GET", _path(record_id), self._token)), Record)

    def replace(self, record_id: UUID, fields: Fields, *, if_version: int | None = None) -> Record:
        """Put other fields in place of all; with `if_version`, only if nobody changed it since.

        Raises NotFoundError, VersionMismatchError, ConcurrentChangeError.
        """
        return self._write("PUT", record_id, fields, if_version, {})

    def patch(self, record_id: UUID, changes: Fields, *, if_version: int | None = None) -> Record:
        """Change some fields by a merge patch (RFC 7396): None removes a field."""
        return self._write("PATCH", record_id, changes, if_version, _MERGE_PATCH)

    def update(self, record_id: UUID, change: Callable[[Fields], Fields], *, attempts: int = 5) -> Record:
        """Read, change and write back, losing nobody else's change in between.

        `change` gets the present fields and gives the new ones; it is called again when another
        writer was faster. Raises VersionMismatchError after so many attempts.

        Example:
            ana.records.update(kept.record_id, lambda fields: {**fields, "visits": fields["visits"] + 1})
        """
        for _ in range(attempts - 1):
            record = self.get(record_id)
            try:
                return self.replace(record_id, change(record.fields), if_version=record.version)
            except VersionMismatchError:
                continue
        record = self.get(record_id)
        return self.replace(record_id, change(record.fields), if_version=record.version)

    def delete(self, record_id: UUID, *, if_version: int | None = None) -> None:
        """Raises NotFoundError, VersionMismatchError."""
        call = Call(
            "DELETE", _path(record_id), self._token, headers=_condition(if_version),
            repeat=Repeat.IF_NOT_DONE,
        )  # fmt: skip
        self._sender.send(call)

    def find(
        self,
        *,
        collection: str | None = None,
        where: Mapping[str, str] | None = None,
        page_size: int = 100,
    ) -> Iterator[Record]:
        """All records, those of a collection, or those whose searchable fields have these values.

        In the order in which they were made; pages are fetched as needed. The values stand in the
        body and never in an address. A telephone number without + is read as in its record when
        `where` has the `region` beside it.

        Raises BrokenRecordsError, after the last of the others, if some do not open.
        """
        asked: dict[str, Any] = {"limit": page_size, "where": dict(where or {})}
        if collection is not None:
            asked["collection"] = collection
        broken: tuple[UUID, ...] = ()
        while True:
            call = Call("POST", "/v1/records/search", self._token, encode(asked))
            page = decode(self._sender.send(call), RecordPage)
            yield from page.items
            broken += page.broken
            if page.next_cursor is None:
                break
            asked["cursor"] = page.next_cursor
        if broken:
            raise BrokenRecordsError(broken)

    def batch(
        self, operations: Sequence[Operation], *, atomic: bool = False, idempotency_key: str | None = None
    ) -> tuple[Result, ...]:
        """Up to 1,000 operations at once, each with a result of its own, in their order.

        `atomic`: all or none; then the refusal of one is raised, with its place in
        `error.problem.index`. Records of 16 MiB in all can be read or updated at once: of those beyond, the
        error is BatchFullError, and they go into another batch. A retry has no second effect.
        """
        body = encode({"operations": [encode_operation(each) for each in operations], "atomic": atomic})
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        call = Call("POST", "/v1/records/batch", self._token, body, headers=headers)
        return decode_results(self._sender.send(call))

    def _write(
        self, method: str, record_id: UUID, fields: Fields, if_version: int | None, headers: Mapping[str, str]
    ) -> Record:
        call = Call(
            method,
            _path(record_id),
            self._token,
            encode({"fields": fields}),
            headers={**headers, **_condition(if_version)},
            # With a condition the second attempt would meet the first one's version and be refused.
            repeat=Repeat.ALWAYS if if_version is None else Repeat.IF_NOT_DONE,
        )
        return decode(self._sender.send(call), Record)


def _path(record_id: UUID) -> str:
    """Raises ValueError for what is none: text from elsewhere, such as ../sessions, is another address."""
    return f"/v1/records/{UUID(str(record_id))}"


def _condition(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}
