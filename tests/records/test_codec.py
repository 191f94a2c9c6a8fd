"""What stands inside a record's ciphertext is read in one way only."""

import pytest

from vault_service.crypto.dek import Dek
from vault_service.crypto.seal import OVERHEAD, seal
from vault_service.domain.clock import utc_now
from vault_service.domain.contexts import RecordContext
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, RecordId, TenantId, UserId, new_uuid
from vault_service.records.codec import Content, open_record, seal_record
from vault_service.storage.records.records import StoredRecord

DEK = Dek.generate(TenantId(new_uuid()), UserId(new_uuid()), DekId(new_uuid()))
RECORD = RecordId(new_uuid())
WHOLE = b"\0\0\0\5notes\0\0\0\2{}" + bytes(49)  # 64 bytes


def stored(sealed: bytes, tag: bytes) -> StoredRecord:
    now = utc_now()
    return StoredRecord(RECORD, 1, DEK.dek, tag, sealed, now, now)


def sealed_plaintext(plain: bytes) -> StoredRecord:
    tag = DEK.collection_tag("notes")
    place = RecordContext(DEK.tenant, DEK.user, DEK.dek, tag, RECORD, 1)
    return stored(seal(DEK.key, place, plain), tag)


@pytest.mark.parametrize(
    ("fields", "length"), [(b"{}", 64), (b"x" * 51, 64), (b"x" * 52, 128), (b"x" * 115, 128), (b"", 64)]
)
def test_content_comes_back_and_is_padded_to_64_bytes(fields: bytes, length: int) -> None:
    content = Content("notes", fields)

    tag, sealed = seal_record(DEK, RECORD, 1, content)

    assert len(sealed) == length + OVERHEAD
    assert open_record(DEK, stored(sealed, tag)) == content


def test_the_form_is_the_documented_one() -> None:
    assert open_record(DEK, sealed_plaintext(WHOLE)) == Content("notes", b"{}")


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\0\0\0",
        bytes(3) + b"\xff" + bytes(60),
        b"\0\0\0\5notes",
        b"\0\0\0\5notes\0\0\0",
        b"\0\0\0\5notes\0\0\0\x40" + bytes(51),
        WHOLE + bytes(64),
        WHOLE[:-1] + b"\1",
    ],
    ids=[
        "nothing",
        "no length",
        "too long a name",
        "no fields",
        "half a length",
        "too long fields",
        "more zeros",
        "other padding",
    ],
)
def test_any_other_form_is_refused(plain: bytes) -> None:
    with pytest.raises(SealBrokenError):
        open_record(DEK, sealed_plaintext(plain))
