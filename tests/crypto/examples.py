"""One example of each context, and every way to change a single field of it."""

import dataclasses
import hashlib
from collections.abc import Iterator
from uuid import UUID

from vault_service.domain.contexts import (
    AnswerContext,
    Context,
    EscrowContext,
    KdfParams,
    LoginNameContext,
    OuterContext,
    PasswordContext,
    RecordContext,
    SessionContext,
)
from vault_service.domain.ids import DekId, RecordId, SessionId, TenantId, UserId

TENANT = TenantId(UUID(int=1))
USER = UserId(UUID(int=2))
DEK = DekId(UUID(int=3))
TAG = hashlib.sha256(b"tag").digest()

PASSWORD = PasswordContext(TENANT, USER, DEK, 1, KdfParams(19_456, 2, 1), b"s" * 16)
ESCROW = EscrowContext(TENANT, USER, DEK, 1, b"\x04" + b"k" * 64)
CONTEXTS: tuple[Context, ...] = (
    PASSWORD,
    ESCROW,
    OuterContext(b"password", PASSWORD.encode(), 1, TAG, 1),
    SessionContext(TENANT, USER, DEK, SessionId(UUID(int=4)), 1),
    RecordContext(TENANT, USER, DEK, TAG, RecordId(UUID(int=5)), 1),
    AnswerContext(TENANT, USER, DEK, TAG, TAG[::-1]),
    LoginNameContext(TENANT, USER, 1, TAG),
)


def name_of(context: Context) -> str:
    """For the names of parametrised tests."""
    return type(context).__name__


def changed_in_one_field(context: Context) -> Iterator[tuple[str, Context]]:
    """The field's name, and the context with that field changed as little as possible."""
    assert dataclasses.is_dataclass(context)
    assert not isinstance(context, type)
    for field in dataclasses.fields(context):
        value = getattr(context, field.name)
        match value:
            case KdfParams():
                for name, changed in changed_in_one_field(value):
                    yield f"{field.name}.{name}", dataclasses.replace(context, **{field.name: changed})
                continue
            case UUID():
                other: object = UUID(int=value.int ^ 1)
            case int():
                other = value + 1
            case bytes():
                other = value[:-1] + bytes([value[-1] ^ 1])
            case _:
                raise AssertionError(f"{field.name} is of a kind that this test does not know")
        yield field.name, dataclasses.replace(context, **{field.name: other})


MOVED = [
    (context, changed, f"{name_of(context)}.{field}")
    for context in CONTEXTS
    for field, changed in changed_in_one_field(context)
]
