"""An officer's key file: a key to sign with and a key to receive shares, under a passphrase.

The file also pins the genesis manifest's fingerprint, so that its owner believes no other chain. A file that
was made before genesis pins nothing, and is good for nothing else until it does.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from vault_service.crypto import xwing
from vault_service.crypto.argon2 import SALT_BYTES, Argon2
from vault_service.crypto.seal import open_sealed, seal
from vault_service.domain.contexts import KdfParams, context, text
from vault_service.domain.errors import ConfigurationError, SealBrokenError
from vault_service.domain.ids import OfficerId
from vault_service.domain.manifest import Authenticator, Officer, Role
from vault_service.durable import sync

UNPINNED = ""
"""What a key file pins that was made before there was a vault: nothing, and so it acts in none."""
_KDF = KdfParams(memory_kib=65_536, iterations=3, lanes=1)  # RFC 9106, section 4, second option


class OfficerKeyFileError(ConfigurationError):
    """The key file does not open."""

    code = "officer.key_file"
    remedy = "Check the passphrase; if the file is damaged, another officer re-keys you by a case."


@dataclass(frozen=True, slots=True)
class _Place:
    """All that the file says in the clear: who could write to it must not make its owner believe
    another chain, nor take the key for somebody else's."""

    officer: OfficerId
    authenticator: UUID
    name: str
    fingerprint: str
    salt: bytes

    def encode(self) -> bytes:
        return context(
            b"officer-key", self.officer.bytes, self.authenticator.bytes, text(self.name),
            bytes.fromhex(self.fingerprint), _KDF.encode(), self.salt,
        )  # fmt: skip


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    officer_id: UUID
    authenticator_id: UUID
    name: str
    manifest_fingerprint: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
    salt: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class OfficerKey:
    """Both secret keys of one officer, in memory only."""

    officer: OfficerId
    authenticator: UUID
    name: str
    signing: Ed25519PrivateKey = field(repr=False)
    share_seed: bytes = field(repr=False)  # X-Wing, 32 bytes

    @classmethod
    def generate(cls, officer: OfficerId, authenticator: UUID, name: str) -> "OfficerKey":
        """Fresh keys from the system's generator."""
        return cls(officer, authenticator, name, Ed25519PrivateKey.generate(), os.urandom(xwing.SEED_BYTES))

    def public(self, roles: tuple[Role, ...]) -> Officer:
        """How the manifest names this officer."""
        signing = self.signing.public_key().public_bytes_raw().hex()
        return Officer(
            self.officer, self.name, roles, (Authenticator(self.authenticator, "key-file", signing),),
            xwing.public_key(self.share_seed).hex(),
        )  # fmt: skip

    def save(self, path: Path, passphrase: str, *, fingerprint: str) -> None:
        """Write the file (0600, never over another one), sealed under the passphrase; it is on disk then.

        A manifest may name the key a minute later. Raises OSError, and then there is no such file.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(self._sealed(passphrase, fingerprint))
                out.flush()
                os.fsync(out.fileno())
            sync(path.parent)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _sealed(self, passphrase: str, fingerprint: str) -> bytes:
        salt = os.urandom(SALT_BYTES)
        kek = _argon2().derive(passphrase, salt, _KDF)
        secret = self.signing.private_bytes_raw() + self.share_seed
        sealed = seal(kek, _Place(self.officer, self.authenticator, self.name, fingerprint, salt), secret)
        file = _File(1, self.officer, self.authenticator, self.name, fingerprint, salt, sealed)
        return msgspec.json.encode(file)


def load_officer_key(path: Path, passphrase: str) -> tuple[OfficerKey, str]:
    """The keys, and the fingerprint that the file pins. Raises OfficerKeyFileError."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        if len(file.salt) != SALT_BYTES:
            raise SealBrokenError
        kek = _argon2().derive(passphrase, file.salt, _KDF)
        officer = OfficerId(file.officer_id)
        place = _Place(officer, file.authenticator_id, file.name, file.manifest_fingerprint, file.salt)
        secret = open_sealed(kek, place, file.sealed)
    except OSError as error:
        raise OfficerKeyFileError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OfficerKeyFileError(
            f"{path} is no officer's key file",
            remedy="Name the file that vaultctl officer keygen wrote; FILE.public.json is for handing in.",
        ) from None
    except SealBrokenError:
        raise OfficerKeyFileError(f"{path}: wrong passphrase, or the file was altered") from None
    signing = Ed25519PrivateKey.from_private_bytes(secret[:32])
    key = OfficerKey(officer, file.authenticator_id, file.name, signing, secret[32:])
    return key, file.manifest_fingerprint


def pin_officer_key(path: Path, passphrase: str, *, fingerprint: str) -> tuple[OfficerKey, bool]:
    """Have a file that was made before genesis pin this vault, for good; False: it does already.

    The file is replaced whole or not at all, and the keys in it stay. Raises OfficerKeyFileError, also for
    a file that pins another vault: whoever could change that would have its owner believe another chain.
    """
    path = path.resolve()  # a link goes on leading to the one file that there is
    key, pinned = load_officer_key(path, passphrase)
    if pinned == fingerprint:
        return key, False
    if pinned != UNPINNED:
        raise OfficerKeyFileError(
            f"{path} pins another vault already",
            remedy="Each vault has key files of its own: make one with vaultctl officer keygen.",
        )
    beside = path.with_name(path.name + ".new")
    try:
        beside.unlink(missing_ok=True)  # of an attempt that died
        key.save(beside, passphrase, fingerprint=fingerprint)
        os.chown(beside, path.stat().st_uid, -1)  # root may do it for the officer, who stays the owner
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        raise OfficerKeyFileError(
            f"{path}: {error.strerror}",
            remedy="See that you may write to it and its folder; nothing was changed.",
        ) from error
    return key, True


def _argon2() -> Argon2:
    return Argon2(budget_kib=_KDF.memory_kib, queue_wait_s=60)
