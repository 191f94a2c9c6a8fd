"""What is derived from a user's data key: its check value and the tags of the blind index."""

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from vault_service.crypto.seal import KEY_BYTES, hkdf
from vault_service.domain.contexts import context, text
from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, TenantId, UserId
from vault_service.domain.rotation_errors import DataKeyGoneError


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Dek:
    """A data key with the ids that it is bound to."""

    tenant: TenantId
    user: UserId
    dek: DekId
    key: bytes = field(repr=False)  # 32 bytes

    @classmethod
    def generate(cls, tenant: TenantId, user: UserId, dek: DekId) -> "Dek":
        """32 bytes from the system's generator."""
        return cls(tenant, user, dek, os.urandom(KEY_BYTES))

    def _derive(self, label: bytes, *fields: bytes) -> bytes:
        return hkdf(self.key, context(label, self.tenant.bytes, self.user.bytes, self.dek.bytes, *fields))

    def check_value(self) -> bytes:
        """32 bytes that tell whether an opened key is this one; reveals nothing of it."""
        return self._derive(b"dek-check")

    def verify(self, stored: bytes) -> None:
        """Compare with the stored check value. Raises SealBrokenError."""
        if not hmac.compare_digest(self.check_value(), stored):
            raise SealBrokenError

    def collection_tag(self, collection: str) -> bytes:
        """Stands for the collection's name in the database."""
        return _mac(self._derive(b"collection"), text(collection))

    def blind_tag(self, collection: str, field_name: str, normalised: str) -> bytes:
        """Stands for one field's value in the index; equal values of one user are equal, no others."""
        return _mac(self._derive(b"blind", text(collection), text(field_name)), text(normalised))

    def body_mac(self, label: bytes, body: bytes) -> bytes:
        """Tells a retry from another request without storing anything that can be guessed at."""
        return _mac(self._derive(b"idempotency", label), body)


@dataclass(frozen=True, slots=True)
class DataKeys:
    """A user's data key, with older ones while records are still under them."""

    current: Dek
    older: tuple[Dek, ...] = ()

    def of(self, dek: DekId) -> Dek:
        """The one of this id. Raises DataKeyGoneError: it was given up, or there never was one."""
        for each in self.every:
            if each.dek == dek:
                return each
        raise DataKeyGoneError(f"the record is under data key {dek}, which was given up")

    @property
    def every(self) -> tuple[Dek, ...]:
        """The present one first."""
        return (self.current, *self.older)
