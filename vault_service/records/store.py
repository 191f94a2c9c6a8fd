"""The use cases on records as one object, for the faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vault_service.domain.clock import Clock, utc_now
from vault_service.domain.ids import RecordId
from vault_service.domain.tokens import SessionToken
from vault_service.policy.rules import Policies
from vault_service.records import batch as _batch
from vault_service.records import export as _export
from vault_service.records import read as _read
from vault_service.records import search as _search
from vault_service.records import write as _write
from vault_service.records.operations import Op, Operation, Result
from vault_service.records.service import Page, Record, RecordParts
from vault_service.sessions.open import open_session
from vault_service.storage.pool import Database

__all__ = ["Op", "Operation", "Page", "Record", "RecordStore", "Result"]


@dataclass(frozen=True, slots=True)
class RecordStore:
    """Each method is described where its function stands."""

    db: Database
    policies: Policies
    now: Clock = utc_now

    @property
    def parts(self) -> RecordParts:
        """What the functions take."""
        return RecordParts(self.db, self.policies.collections, self.now)

    def demand_session(self, token: SessionToken) -> None:
        """Raises SessionRefusedError for one that is not alive."""
        open_session(self.db, token, self.now())

    def create(
        self, token: SessionToken, collection: str, fields: bytes, *, idempotency_key: str | None = None
    ) -> tuple[Record, bool]:
        """See records/write.py; the second member tells whether this is a retry's answer."""
        return _write.create(self.parts, token, collection, fields, idempotency_key)

    def read(self, token: SessionToken, record: RecordId) -> Record:
        """See records/read.py."""
        return _read.read(self.parts, token, record)

    def replace(
        self, token: SessionToken, record: RecordId, fields: bytes, if_version: int | None = None
    ) -> Record:
        """See records/write.py."""
        return _write.replace(self.parts, token, record, fields, if_version)

    def patch(
        self, token: SessionToken, record: RecordId, patch: bytes, if_version: int | None = None
    ) -> Record:
        """See records/write.py."""
        return _write.patch(self.parts, token, record, patch, if_version)

    def delete(self, token: SessionToken, record: RecordId, if_version: int | None = None) -> None:
        """See records/write.py."""
        _write.delete(self.parts, token, record, if_version)

    def find(
        self,
        token: SessionToken,
        *,
        collection: str | None = None,
        where: Sequence[tuple[str, str]] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """See records/search.py."""
        return _search.find(self.parts, token, collection=collection, where=where, limit=limit, cursor=cursor)

    def batch(
        self,
        token: SessionToken,
        operations: Sequence[Operation],
        *,
        atomic: bool = False,
        idempotency_key: str | None = None,
    ) -> tuple[Result, ...]:
        """See records/batch.py."""
        return _batch.batch(self.parts, token, operations, atomic=atomic, idempotency_key=idempotency_key)

    def export(self, token: SessionToken) -> Iterator[bytes]:
        """See records/export.py."""
        return _export.export(self.parts, token)
