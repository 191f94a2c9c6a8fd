"""A regain's key pair: the DEK will be sealed to the public half; the private one is under the password."""

import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vault_service.crypto.argon2 import SALT_BYTES
from vault_service.crypto.seal import WRAPPED_KEY_BYTES, seal
from vault_service.domain.case import Case
from vault_service.domain.contexts import OuterContext, RegainKeyContext
from vault_service.kms.service import KeyService
from vault_service.kms.wrapping.credentials import REGAIN_KEY, rebind_outer
from vault_service.kms.wrapping.keyring import Keyring
from vault_service.kms.wrapping.wraps import LoginBinding, login_of, outer_place
from vault_service.storage.keys.regains import RegainKeyRow
from vault_service.storage.keys.users import UserRow


@dataclass(frozen=True, slots=True)
class TargetKey:
    """A fresh P-256 key pair."""

    point: bytes  # 65 bytes, uncompressed
    scalar: bytes = field(repr=False)  # 32 bytes, big endian

    @classmethod
    def generate(cls) -> "TargetKey":
        """From the system's generator."""
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return cls(point, private.private_numbers().private_value.to_bytes(32, "big"))


def seal_regain_key(
    service: KeyService, target: TargetKey, case: UUID, row: UserRow, password: str
) -> RegainKeyRow:
    """The private half like a password wrap: one Argon2, one token call.

    `row`: whose case it is, or what stands in for nobody. Raises OverloadedError, TokenUnavailableError.
    """
    kdf, salt = service.policies.passwords.argon2id.params(), os.urandom(SALT_BYTES)
    place = RegainKeyContext(row.tenant, row.user, row.dek, case, kdf, salt, target.point)
    inner = seal(service.argon2.derive(password, salt, kdf), place, target.scalar)
    gen = service.manifests.current().pepper_gen
    outer = OuterContext(REGAIN_KEY, place.encode(), row.login_index_gen, row.login_index, gen)
    return RegainKeyRow(kdf, salt, gen, service.keyring.seal_outer(outer, inner))


def rebind_regain_key(
    keyring: Keyring, row: UserRow, case: Case, key: RegainKeyRow, *, login: LoginBinding, pepper_gen: int
) -> RegainKeyRow:
    """The same under an outer layer for another login index. `row`: to whose index it is bound now.

    Two token calls. Raises TamperedWrapError.
    """
    point = bytes.fromhex(case.target_pk or "")
    place = RegainKeyContext(row.tenant, row.user, row.dek, case.case_id, key.kdf, key.salt, point).encode()
    before = outer_place(REGAIN_KEY, place, login_of(row), key.pepper_gen)
    after = outer_place(REGAIN_KEY, place, login, pepper_gen)
    wrap = rebind_outer(keyring, before, after, key.wrap, WRAPPED_KEY_BYTES)
    return RegainKeyRow(key.kdf, key.salt, pepper_gen, wrap)
