"""What stands inside a record's ciphertext, and where it may stand.

plaintext = u32be(len(collection)) || collection || u32be(len(fields)) || fields, and zeros up to a
multiple of 64 bytes, so that the length tells little. It is sealed under the user's DEK, bound to
tenant, user, DEK, collection, record and version: moved anywhere else it does not open.
"""

from dataclasses import dataclass, field

from vault_service.crypto.dek import DataKeys, Dek
from vault_service.crypto.seal import open_sealed, seal
from vault_service.domain.contexts import RecordContext, length_prefixed
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import RecordId
from vault_service.storage.records.records import StoredRecord

PADDED_TO = 64  # bytes
_LENGTH = 4  # bytes


@dataclass(frozen=True, slots=True)
class Content:
    """A record's collection, and its fields as raw JSON."""

    collection: str
    fields: bytes = field(repr=False)


def seal_record(dek: Dek, record: RecordId, version: int, content: Content) -> tuple[bytes, bytes]:
    """The collection's tag and the ciphertext, for one version of one record."""
    tag = dek.collection_tag(content.collection)
    return tag, seal(dek.key, _place(dek, tag, record, version), _encode(content))


def open_record(dek: Dek, stored: StoredRecord) -> Content:
    """Raises SealBrokenError when anything of the row was altered, cut, or moved from elsewhere."""
    if stored.dek != dek.dek or stored.sealed is None:
        raise SealBrokenError
    place = _place(dek, stored.collection_tag, stored.record, stored.version)
    return _decode(open_sealed(dek.key, place, stored.sealed))


def open_stored(keys: DataKeys, stored: StoredRecord) -> Content:
    """The same with whichever of a user's data keys it is under. Raises DataKeyGoneError, SealBrokenError."""
    return open_record(keys.of(stored.dek), stored)


def _place(dek: Dek, tag: bytes, record: RecordId, version: int) -> RecordContext:
    return RecordContext(dek.tenant, dek.user, dek.dek, tag, record, version)


def _encode(content: Content) -> bytes:
    plain = length_prefixed(content.collection.encode("ascii")) + length_prefixed(content.fields)
    return plain + b"\0" * (-len(plain) % PADDED_TO)


def _decode(plain: bytes) -> Content:
    collection, rest = _split(plain)
    fields, padding = _split(rest)
    if padding.strip(b"\0") or len(padding) >= PADDED_TO:
        raise SealBrokenError
    return Content(collection.decode("ascii"), fields)


def _split(data: bytes) -> tuple[bytes, bytes]:
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "big")
    if len(data) < _LENGTH or end > len(data):
        raise SealBrokenError
    return data[_LENGTH:end], data[end:]
