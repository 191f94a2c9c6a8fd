"""A regain's key pair: the DEK will be sealed to the public half; the private one is under the password."""

import os
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vault_service.crypto.argon2 import SALT_BYTES
from vault_service.crypto.seal import seal
from vault_service.domain.contexts import OuterContext, RegainKeyContext
from vault_service.kms.credentials import REGAIN_KEY
from vault_service.kms.service import KeyService
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
