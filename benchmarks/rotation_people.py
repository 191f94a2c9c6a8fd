"""Users by the hundred thousand, straight into the keys database: every outer layer and escrow wrap is real.

Only the inner layer of the password wrap is random bytes: it would take an Argon2 each, and no rotation
looks into it. Whoever is to sign in has to be enrolled as usual.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.crypto.dek import Dek
from vault_service.crypto.hpke import seal_to
from vault_service.crypto.seal import WRAPPED_KEY_BYTES, seal
from vault_service.domain.contexts import (
    EncodedContext,
    EscrowContext,
    LoginNameContext,
    PasswordContext,
    login_index_input,
)
from vault_service.domain.floors import KDF_FLOOR
from vault_service.domain.ids import DekId, TenantId, UserId, new_uuid
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.keyring import login_index_label, pepper_label
from vault_service.kms.wrapping.wraps import LoginBinding, outer_place

_PORTION = 2000  # users in one transaction
_TENANT = TenantId(UUID(int=1))

_TABLES: dict[LiteralString, tuple[LiteralString, list[str]]] = {
    "logins": (
        "COPY logins (login_index, login_index_gen, user_id) FROM STDIN (FORMAT BINARY)",
        ["bytea", "int4", "uuid"],
    ),
    "users": (
        """COPY users (user_id, tenant_id, dek_id, epoch, login_index, login_index_gen, pepper_gen,
             sealed_login, created_at) FROM STDIN (FORMAT BINARY)""",
        ["uuid", "uuid", "uuid", "int8", "bytea", "int4", "int4", "bytea", "timestamptz"],
    ),
    "escrow_wraps": (
        """COPY escrow_wraps (user_id, dek_id, escrow_gen, pepper_gen, wrap, created_at)
             FROM STDIN (FORMAT BINARY)""",
        ["uuid", "uuid", "int4", "int4", "bytea", "timestamptz"],
    ),
    "deks": (
        "COPY deks (user_id, dek_id, dek_check, escrow_gen, created_at) FROM STDIN (FORMAT BINARY)",
        ["uuid", "uuid", "bytea", "int4", "timestamptz"],
    ),
    "credentials": (
        """COPY credentials (user_id, credential_id, kind, dek_id, epoch, kdf_memory_kib, kdf_iterations,
             kdf_lanes, salt, pepper_gen, wrap, must_change, created_at) FROM STDIN (FORMAT BINARY)""",
        ["uuid", "uuid", "text", "uuid", "int8", "int4", "int4", "int4", "bytea", "int4", "bytea", "bool",
         "timestamptz"],
    ),
}  # fmt: skip


def add_people(conn: Connection[Any], service: KeyService, users: int) -> None:
    """That many more, under the generations that are current; `conn`: as somebody who may write."""
    for first in range(0, users, _PORTION):
        rows = _portion(service, min(_PORTION, users - first))
        with conn.transaction():
            for table, (statement, types) in _TABLES.items():
                with conn.cursor() as cursor, cursor.copy(statement) as copy:
                    copy.set_types(types)
                    for row in rows[table]:
                        copy.write_row(row)
    conn.execute("VACUUM (ANALYZE)")


def _portion(service: KeyService, users: int) -> dict[str, list[Sequence[object]]]:
    manifest, token, now = service.manifests.current(), service.keyring.token, datetime.now(UTC)
    index_gen, pepper_gen, escrow = manifest.login_index_gen, manifest.pepper_gen, manifest.escrow_key
    point = bytes.fromhex(escrow.public_key)
    deks = [Dek.generate(_TENANT, UserId(new_uuid()), DekId(new_uuid())) for _ in range(users)]
    logins = [f"{dek.user.hex}@example.org" for dek in deks]
    label = login_index_label(index_gen)
    indexes = token.hmac_many([(label, login_index_input(_TENANT, login)) for login in logins])
    salts = [os.urandom(16) for _ in deks]
    places: list[EncodedContext] = []
    inners: list[bytes] = []
    for dek, login, index, salt in zip(deks, logins, indexes, salts, strict=True):
        binding = LoginBinding(index, index_gen)
        password = PasswordContext(_TENANT, dek.user, dek.dek, 1, KDF_FLOOR, salt).encode()
        info = EscrowContext(_TENANT, dek.user, dek.dek, escrow.gen, point).encode()
        places += [
            EncodedContext(LoginNameContext(_TENANT, dek.user, index_gen, index).encode()),
            EncodedContext(outer_place(b"password", password, binding, pepper_gen).encode()),
            EncodedContext(outer_place(b"escrow", info, binding, pepper_gen).encode()),
        ]
        inners += [login.encode(), os.urandom(WRAPPED_KEY_BYTES), seal_to(point, info, dek.key)]
    keys = token.hmac_many([(pepper_label(pepper_gen), place.encoded) for place in places])
    sealed: Iterator[bytes] = map(seal, keys, places, inners)
    rows: dict[str, list[Sequence[object]]] = {table: [] for table in _TABLES}
    for dek, index, salt in zip(deks, indexes, salts, strict=True):
        user, name = dek.user, dek.dek
        rows["logins"].append((index, index_gen, user))
        rows["users"].append((user, _TENANT, name, 1, index, index_gen, pepper_gen, next(sealed), now))
        rows["credentials"].append(
            (user, new_uuid(), "password", name, 1, KDF_FLOOR.memory_kib, KDF_FLOOR.iterations,
             KDF_FLOOR.lanes, salt, pepper_gen, next(sealed), False, now)
        )  # fmt: skip
        rows["escrow_wraps"].append((user, name, escrow.gen, pepper_gen, next(sealed), now))
        rows["deks"].append((user, name, dek.check_value(), escrow.gen, now))
    return rows
