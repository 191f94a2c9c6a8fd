"""Contexts: what a wrap or a record is and whose, in one unambiguous encoding.

Every ciphertext is bound to its context, so that one moved to another row, column, user or
generation does not open. Two different contexts never share an encoding: each field carries
its length, and the label fixes which fields follow.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from vault_service.domain.errors import SealBrokenError
from vault_service.domain.ids import DekId, RecordId, SessionId, TenantId, UserId

_DOMAIN = b"vault_service/1"
_BEGIN = len(_DOMAIN).to_bytes(4, "big") + _DOMAIN


def u64(value: int) -> bytes:
    """Eight bytes, big endian. Raises SealBrokenError below 0: a row was altered."""
    if value < 0:
        raise SealBrokenError
    return value.to_bytes(8, "big")


def text(value: str) -> bytes:
    """UTF-8 of the NFC form, so that two spellings of one text are one context."""
    return unicodedata.normalize("NFC", value).encode("utf-8")


def length_prefixed(field: bytes) -> bytes:
    """The field behind its length, four bytes big endian."""
    return len(field).to_bytes(4, "big") + field


def context(label: bytes, *fields: bytes) -> bytes:
    """Encode a context; the label decides how many fields there are and what they mean."""
    encoded = _BEGIN + len(label).to_bytes(4, "big") + label
    for field in fields:  # not a generator: a rotation makes millions of these
        encoded += len(field).to_bytes(4, "big") + field
    return encoded


class Context(Protocol):
    """Anything that says where a ciphertext belongs."""

    def encode(self) -> bytes:
        """The bytes that go into key derivation and associated data."""
        ...


@dataclass(frozen=True, slots=True)
class EncodedContext:
    """A context that was encoded already, since it is needed more than once."""

    encoded: bytes

    def encode(self) -> bytes:
        """As it is."""
        return self.encoded


@dataclass(frozen=True, slots=True)
class KdfParams:
    """Cost of one Argon2id derivation (RFC 9106); bound into the wrap, so it cannot be lowered in a table."""

    memory_kib: int
    iterations: int
    lanes: int
    version: int = 0x13

    def encode(self) -> bytes:
        """Memory in KiB, iterations, lanes, Argon2 version."""
        return b"".join(
            length_prefixed(u64(n)) for n in (self.memory_kib, self.iterations, self.lanes, self.version)
        )

    def work(self) -> int:
        """Blocks of 1 KiB that one derivation fills: what a guess costs (RFC 9106, section 3.1.1)."""
        return self.memory_kib * self.iterations

    def is_below(self, other: "KdfParams") -> bool:
        """Less work, or as much in less memory, which special hardware does for less."""
        return (self.work(), self.memory_kib) < (other.work(), other.memory_kib)


@dataclass(frozen=True, slots=True)
class PasswordContext:
    """Inner layer of a password wrap: the DEK under the key derived from the password."""

    tenant: TenantId
    user: UserId
    dek: DekId
    epoch: int
    kdf: KdfParams
    salt: bytes  # 16 bytes

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"password", self.tenant.bytes, self.user.bytes, self.dek.bytes, u64(self.epoch),
            self.kdf.encode(), self.salt,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CodeContext:
    """The DEK under a recovery code that the user keeps (128 bits)."""

    tenant: TenantId
    user: UserId
    dek: DekId
    epoch: int

    def encode(self) -> bytes:
        """See the class."""
        return context(b"code", self.tenant.bytes, self.user.bytes, self.dek.bytes, u64(self.epoch))


@dataclass(frozen=True, slots=True)
class RegainKeyContext:
    """A case's private key under the key derived from the new password."""

    tenant: TenantId
    user: UserId
    dek: DekId
    case: UUID
    kdf: KdfParams
    salt: bytes  # 16 bytes
    target_public_key: bytes  # 65 bytes, uncompressed P-256 point

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"regain-key", self.tenant.bytes, self.user.bytes, self.dek.bytes, self.case.bytes,
            self.kdf.encode(), self.salt, hashlib.sha256(self.target_public_key).digest(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RegainContext:
    """HPKE info of the DEK sealed to a case's target key: the credential that a regain leaves."""

    tenant: TenantId
    user: UserId
    dek: DekId
    epoch: int  # the new one
    case_hash: bytes  # 32 bytes

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"regain", self.tenant.bytes, self.user.bytes, self.dek.bytes, u64(self.epoch), self.case_hash
        )


@dataclass(frozen=True, slots=True)
class EscrowContext:
    """Inner layer of an escrow wrap: HPKE info; the public key's hash stops a swapped recipient."""

    tenant: TenantId
    user: UserId
    dek: DekId
    escrow_gen: int
    escrow_public_key: bytes  # 65 bytes, uncompressed P-256 point

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"escrow", self.tenant.bytes, self.user.bytes, self.dek.bytes, u64(self.escrow_gen),
            hashlib.sha256(self.escrow_public_key).digest(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OuterContext:
    """Outer layer of any wrap in the keys database: under the pepper, bound to the login's index."""

    inner_label: bytes
    inner: bytes  # the encoded inner context
    login_index_gen: int
    login_index: bytes  # 32 bytes
    pepper_gen: int

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"outer", self.inner_label, hashlib.sha256(self.inner).digest(), u64(self.login_index_gen),
            self.login_index, u64(self.pepper_gen),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SessionContext:
    """The DEK under a session token's secret."""

    tenant: TenantId
    user: UserId
    dek: DekId
    session: SessionId
    epoch: int

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"session",
            self.tenant.bytes,
            self.user.bytes,
            self.dek.bytes,
            self.session.bytes,
            u64(self.epoch),
        )


@dataclass(frozen=True, slots=True)
class RecordContext:
    """Where a record's ciphertext belongs; moved anywhere else it does not open."""

    tenant: TenantId
    user: UserId
    dek: DekId
    collection_tag: bytes  # 32 bytes
    record: RecordId
    version: int  # never a key generation: a re-wrap must not touch the record

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"record", self.tenant.bytes, self.user.bytes, self.dek.bytes, self.collection_tag,
            self.record.bytes, u64(self.version),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """The skeleton of an answer that a retry gets, under the DEK; bound to the request it answers."""

    tenant: TenantId
    user: UserId
    dek: DekId
    key_hash: bytes  # 32 bytes: SHA-256 of the Idempotency-Key
    body_mac: bytes  # 32 bytes

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"idempotency", self.tenant.bytes, self.user.bytes, self.dek.bytes, self.key_hash, self.body_mac
        )


@dataclass(frozen=True, slots=True)
class LoginNameContext:
    """The login, sealed for the rotation of its index and for a change of login only."""

    tenant: TenantId
    user: UserId
    login_index_gen: int
    login_index: bytes

    def encode(self) -> bytes:
        """See the class."""
        return context(
            b"login-name", self.tenant.bytes, self.user.bytes, u64(self.login_index_gen), self.login_index
        )


@dataclass(frozen=True, slots=True)
class KeptDekContext:
    """An older DEK under the one that followed it, while records are under both."""

    tenant: TenantId
    user: UserId
    dek: DekId  # the newer one, under which it is kept
    kept: DekId  # the older one

    def encode(self) -> bytes:
        """See the class."""
        return context(b"kept-dek", self.tenant.bytes, self.user.bytes, self.dek.bytes, self.kept.bytes)


def login_index_input(tenant: TenantId, login: str) -> bytes:
    """What the token's login-index key is applied to; the login is normalised already."""
    return context(b"login", tenant.bytes, text(login))
