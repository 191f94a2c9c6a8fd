"""What a disclosure consists of: one JSON document, made while it is read.

{"v":1, "case_id":…, "case_hash":…, "user_id":…, "records":[{record_id, collection, version, created_at,
updated_at, fields}, …], "unreadable":[record_id, …], "end":true}. A file without its end was cut off.
"""

import io
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

import msgspec

from vault_service.crypto.dek import DataKeys
from vault_service.domain.case import Case
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import RecordId
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.records.codec import Content, open_stored
from vault_service.storage.pool import Database
from vault_service.storage.records.disclosure import read_for_disclosure
from vault_service.storage.records.pages import FIRST
from vault_service.storage.records.records import StoredRecord

_PAGE = 64  # records, of at most 64 KiB each
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Disclosed(msgspec.Struct, frozen=True):
    record_id: UUID
    collection: str
    version: int
    created_at: datetime
    updated_at: datetime
    fields: dict[str, msgspec.Raw]


class DisclosedRecords:
    """Opens every record of the subject and keeps what the scope names.

    Those of other collections are opened too, and dropped at once: a record's collection is told apart
    from outside by its tag alone, and whoever altered the tag would have hidden the record otherwise.
    """

    def __init__(self, case: Case, digest: bytes, keys: DataKeys, db: Database) -> None:
        self._case = case
        self._digest = digest
        self._keys = keys
        self._user = keys.current.user
        self._db = db
        self._fields = {part.collection: frozenset(part.fields) for part in case.scope.collections}
        self.counts: Counter[str] = Counter()
        self.unreadable: list[RecordId] = []

    def chunks(self) -> Iterator[bytes]:
        """The document. Raises DatabaseUnavailableError."""
        about = {
            "v": 1, "case_id": self._case.case_id, "case_hash": self._digest.hex(), "user_id": self._user,
        }  # fmt: skip
        yield msgspec.json.encode(about)[:-1] + b',"records":['
        between = b""
        for stored in self._stored():
            try:
                content = open_stored(self._keys, stored)
            except (SealBrokenError, DataKeyGoneError):
                self.unreadable.append(stored.record)
                continue
            if content.collection in self._fields:
                self.counts[content.collection] += 1
                yield between + self._disclosed(stored, content)
                between = b",\n"
        yield b'],"unreadable":' + msgspec.json.encode(self.unreadable) + b',"end":true}\n'

    def _stored(self) -> Iterator[StoredRecord]:
        after = FIRST
        while True:
            with self._db.connection() as conn:
                rows = read_for_disclosure(conn, self._user, after, _PAGE)
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1].record

    def _disclosed(self, stored: StoredRecord, content: Content) -> bytes:
        named = self._fields[content.collection]
        fields = _FIELDS.decode(content.fields)
        kept = {name: raw for name, raw in fields.items() if not named or name in named}
        return msgspec.json.encode(
            _Disclosed(
                stored.record, content.collection, stored.version, stored.created_at, stored.updated_at, kept
            )
        )


class Reader(io.RawIOBase):
    """Lets somebody read bytes that are made only then; remembers why making them ended."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._rest = b""
        self.failed: Exception | None = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; none at the end."""
        try:
            while not self._rest and (chunk := next(self._chunks, None)) is not None:
                self._rest = chunk
        except Exception as error:
            self.failed = error
            raise
        size = len(self._rest) if size < 0 else size
        given, self._rest = self._rest[:size], self._rest[size:]
        return given
