"""A batch carried out in memory, so that the database sees one change.

Operations see what those before them did. A record that several change is stored once, in its last
version; the trail has an event for each. Nothing here writes anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from vault_service.crypto.dek import DataKeys
from vault_service.domain.errors import (
    BatchFullError,
    IntegrityError,
    InvalidInputError,
    PreconditionFailedError,
    RecordNotFoundError,
    SealBrokenError,
    VaultError,
)
from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import RecordId, new_uuid
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.policy.rules import CollectionRule
from vault_service.records.codec import Content, open_stored
from vault_service.records.draft import Draft, check_draft
from vault_service.records.operations import Operation, Result
from vault_service.records.service import Record
from vault_service.records.write import written_record
from vault_service.storage.records.changes import Change, NewVersion, Once, RecordEvent, Removal, Replaced
from vault_service.storage.records.records import StoredRecord

# Of the records that one batch reads or changes, and again of what it shows: 1,000 of 64 KiB each would take
# some hundreds of megabytes of memory, in each thread. As much as a batch may bring.
MOST_BYTES = 16 * 1_048_576


@dataclass(frozen=True, slots=True)
class _State:
    """A record as it is after the operations so far."""

    version: int
    replaces: Replaced | None  # None: made by this batch
    content: Content | None  # None: does not open, see `broken`
    created_at: datetime
    updated_at: datetime
    draft: Draft | None = None  # to be stored
    deleted: bool = False
    broken: VaultError | None = None  # why it does not open


class Plan:
    """Carries out operations one by one, and gathers what the database has to do."""

    def __init__(
        self,
        keys: DataKeys,
        collections: Mapping[str, CollectionRule],
        stored: Mapping[RecordId, StoredRecord],
        now: datetime,
    ) -> None:
        self._keys = keys
        self._collections = collections
        self._now = now
        self._states = {record: self._opened(row) for record, row in stored.items()}
        self._events: list[RecordEvent] = []
        self._shown_bytes = 0

    def run(self, operation: Operation) -> Result:
        """Never raises for what one operation alone is refused for: that stands in its result."""
        try:
            operation.check()
            return Result(operation.op, self._run(operation))
        except VaultError as error:
            return Result(operation.op, error=error)

    def collection_of(self, record: RecordId | None) -> str | None:
        """The collection of a record that opens."""
        state = self._states.get(record) if record is not None else None
        return state.content.collection if state is not None and state.content is not None else None

    def change(self, once: Once | None) -> Change:
        """All that is to be done: the last version of each record is sealed here."""
        dek = self._keys.current
        versions: list[NewVersion] = []
        removals: list[Removal] = []
        for record, state in self._states.items():
            if state.deleted:
                removals.append(Removal(record, state.replaces.version if state.replaces else None))
            elif state.draft is not None:
                versions.append(state.draft.seal(dek, record, version=state.version, replaces=state.replaces))
        return Change(dek.dek, tuple(self._events), tuple(versions), tuple(removals), once)

    def refusals(self) -> Change:
        """Only the evidence of what was refused, when nothing of an atomic batch is to be done."""
        kinds = {RecordsEvent.RECORD_READ_MISSING, RecordsEvent.RECORD_INTEGRITY_FAILED}
        return Change(self._keys.current.dek, tuple(event for event in self._events if event.kind in kinds))

    def _opened(self, row: StoredRecord) -> _State:
        content: Content | None = None
        broken: VaultError | None = None
        try:
            if row.sealed is None:
                raise BatchFullError
            content = open_stored(self._keys, row)
        except SealBrokenError:
            broken = IntegrityError()
        except (BatchFullError, DataKeyGoneError) as error:
            broken = error
        stored = Replaced(row.version, row.dek)
        return _State(row.version, stored, content, row.created_at, row.updated_at, broken=broken)

    def _run(self, operation: Operation) -> Record | None:
        if operation.op == "create":
            return self._create(operation)
        record, state = self._find(operation)
        if operation.op == "delete":  # also a record that does not open any more
            self._states[record] = replace(state, deleted=True, draft=None)
            self._note(RecordsEvent.RECORD_DELETED, record)
            return None
        if state.content is None:
            if not isinstance(state.broken, BatchFullError):
                self._note(RecordsEvent.RECORD_INTEGRITY_FAILED, record)
            raise state.broken or IntegrityError()
        if operation.op == "update":
            return self._update(operation, record, state, state.content)
        return self._read(record, state, state.content)

    def _read(self, record: RecordId, state: _State, content: Content) -> Record:
        self._shown_bytes += len(content.fields)
        if self._shown_bytes > MOST_BYTES:
            raise BatchFullError
        self._note(RecordsEvent.RECORD_READ, record)
        return Record(
            record, content.collection, state.version, state.created_at, state.updated_at, content.fields
        )

    def _create(self, operation: Operation) -> Record:
        draft = check_draft(self._collections, operation.collection or "", operation.fields or b"")
        record = RecordId(new_uuid())
        self._states[record] = _State(1, None, draft.content, self._now, self._now, draft)
        self._note(RecordsEvent.RECORD_CREATED, record)
        return written_record(record, draft, 1, self._now, self._now)

    def _update(self, operation: Operation, record: RecordId, state: _State, content: Content) -> Record:
        operation.check_stays(content.collection)
        draft = check_draft(self._collections, content.collection, operation.fields or b"")
        changed = replace(
            state, version=state.version + 1, content=draft.content, draft=draft, updated_at=self._now
        )
        self._states[record] = changed
        self._note(RecordsEvent.RECORD_UPDATED, record)
        return written_record(record, draft, changed.version, changed.created_at, changed.updated_at)

    def _find(self, operation: Operation) -> tuple[RecordId, _State]:
        record = operation.record
        if record is None:
            raise InvalidInputError("record_id", "missing")
        state = self._states.get(record)
        if state is None or state.deleted:
            self._note(RecordsEvent.RECORD_READ_MISSING, record)
            raise RecordNotFoundError
        if operation.if_version not in (None, state.version):
            raise PreconditionFailedError
        return record, state

    def _note(self, kind: RecordsEvent, record: RecordId) -> None:
        self._events.append(RecordEvent(kind, record))
