"""Retries: a request with the same Idempotency-Key has no second effect and gets the first answer.

Stored are an HMAC of the request under a key derived from the DEK, and ids, versions, times and
collections of the answer, sealed under the DEK. Fields are not kept: a retry brings them along.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import open_sealed, seal
from vault_service.domain.contexts import AnswerContext
from vault_service.domain.errors import IdempotencyConflictError, IntegrityError, SealBrokenError
from vault_service.domain.events import RecordsEvent
from vault_service.domain.rotation_errors import DataKeyGoneError
from vault_service.records.service import RecordParts
from vault_service.sessions.open import Session
from vault_service.storage.records.changes import Once
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.records import StoredAnswer


class Written(msgspec.Struct, frozen=True, array_like=True):
    """A record as an operation left it, without its fields."""

    record: UUID
    collection: str
    version: int
    created_at: datetime
    updated_at: datetime


class Step(msgspec.Struct, frozen=True, array_like=True):
    """What one operation came to: something written, a refusal by its code, or neither."""

    written: Written | None = None
    error: str | None = None
    collection: str | None = None  # of the record that a refused update was about


@dataclass(frozen=True, slots=True)
class Request:
    """One request under an Idempotency-Key."""

    key_hash: bytes  # 32 bytes
    label: bytes  # keeps routes apart
    body: bytes = field(repr=False)  # all that was asked, in one encoding

    def mac(self, dek: Dek) -> bytes:
        """32 bytes."""
        return dek.body_mac(self.label, self.body)


def hash_key(idempotency_key: str | None) -> bytes | None:
    """32 bytes for the look-up; the key itself is the client's."""
    return None if idempotency_key is None else hashlib.sha256(idempotency_key.encode()).digest()


def keep(session: Session, request: Request | None, steps: Sequence[Step]) -> Once | None:
    """What to store with the change."""
    if request is None:
        return None
    dek, mac = session.dek, request.mac(session.dek)
    sealed = seal(dek.key, _place(dek, request.key_hash, mac), msgspec.msgpack.encode(list(steps)))
    return Once(request.key_hash, mac, sealed)


def recall(parts: RecordParts, session: Session, request: Request, stored: StoredAnswer) -> tuple[Step, ...]:
    """The first answer. Raises IdempotencyConflictError for another request, IntegrityError."""
    dek = _key_of(session, request, stored)
    try:
        plain = open_sealed(dek.key, _place(dek, request.key_hash, stored.body_mac), stored.sealed)
    except SealBrokenError:
        with parts.db.connection() as conn:
            insert_event(
                conn, user=session.user, kind=RecordsEvent.RECORD_INTEGRITY_FAILED, at=parts.now(),
                app=session.app, session=session.session, unlock=session.unlock,
            )  # fmt: skip
        raise IntegrityError("what was kept for a retry was altered") from None
    return msgspec.msgpack.decode(plain, type=tuple[Step, ...])


def _key_of(session: Session, request: Request, stored: StoredAnswer) -> Dek:
    """The data key under which the same request left it. Raises IdempotencyConflictError.

    A data key that was given up since tells nothing any more: doing it a second time would be worse.
    """
    try:
        keys = session.keys.every if stored.dek is None else (session.keys.of(stored.dek),)
    except DataKeyGoneError:
        raise IdempotencyConflictError(
            "this Idempotency-Key was used before the data key was changed; see whether it took effect"
        ) from None
    for dek in keys:
        if hmac.compare_digest(request.mac(dek), stored.body_mac):
            return dek
    raise IdempotencyConflictError


def _place(dek: Dek, key_hash: bytes, body_mac: bytes) -> AnswerContext:
    return AnswerContext(dek.tenant, dek.user, dek.dek, key_hash, body_mac)
