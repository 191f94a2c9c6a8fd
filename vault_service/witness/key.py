"""A cosigner's key: one line of a private file, and the verifier key that others know it by.

The line is `PRIVATE+KEY+name+id+base64(0x04 || seed)`, as golang.org/x/mod/sumdb/note writes
signing keys. A second line says that the key has been used: then there is a state file somewhere.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault_service.domain.errors import ConfigurationError, InvalidInputError
from vault_service.tlog import cosignature, strict
from vault_service.tlog.errors import NoteError
from vault_service.tlog.keys import COSIGNATURE, Signature, VerifierKey

_log = structlog.get_logger("witness")

_PREFIX = "PRIVATE+KEY+"
_USED = b"used\n"
_MAX_FILE = 4096  # bytes


@dataclass(frozen=True, slots=True)
class CosigningKey:
    """Signs "I saw this checkpoint, and it is an append of all I saw before"."""

    name: str
    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, name: str) -> "CosigningKey":
        """A fresh key. Raises InvalidInputError for a name that notes cannot hold."""
        key = cls(name, Ed25519PrivateKey.generate())
        try:
            key.verifier()
        except NoteError as error:
            raise InvalidInputError("the witness's name", error.detail) from error
        return key

    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, COSIGNATURE, self.private.public_key().public_bytes_raw())

    def cosign(self, body: str, time: int) -> Signature:
        """Over a checkpoint's text, at a time in POSIX seconds. The caller has verified the append."""
        return cosignature.cosign(self.private, self.name, body, time)

    def save(self, path: Path) -> None:
        """Write the file (0600), never over another one. Raises ConfigurationError."""
        seed = strict.base64_of(bytes([COSIGNATURE]) + self.private.private_bytes_raw())
        line = f"{_PREFIX}{self.name}+{self.verifier().key_id.hex()}+{seed}\n"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(line.encode())
                out.flush()
                os.fsync(out.fileno())
        except FileExistsError:
            raise ConfigurationError(
                f"{path} exists", remedy="Name a new file: a key that was used cannot be had again."
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror}", remedy="Name another file.") from error


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key as it was found, and whether a witness has started with it before."""

    path: Path
    key: CosigningKey
    used: bool

    def mark_used(self) -> None:
        """From now on a start without the state file is refused."""
        if self.used:
            return
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "ab") as file:
                file.write(_USED)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a secret that a service manager hands in read-only
            _log.warning("witness.key_not_marked")


def load_key(path: Path) -> KeyFile:
    """Read a key file. Raises ConfigurationError when others can read it, or it holds something else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(_MAX_FILE)
    except OSError as error:
        raise ConfigurationError(
            f"key file {path}: {error.strerror}", remedy="Make one with vaultctl witness keygen."
        ) from error
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"key file {path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o})",
            remedy=f"chmod 0600 {path}; if others have been on this host, generate a new key.",
        )
    line, _, rest = content.partition(b"\n")
    try:
        return KeyFile(path, _parse(line.decode()), used=bool(rest))
    except (NoteError, ValueError):  # what it holds may be a key: it stays out of the message
        raise ConfigurationError(
            f"key file {path} holds no cosigning key",
            remedy="Restore it, or make one with vaultctl witness keygen.",
        ) from None


def _parse(line: str) -> CosigningKey:
    name, key_id, material = line.removeprefix(_PREFIX).split("+", 2)
    seed = strict.bytes_of(material, "the key")
    if not line.startswith(_PREFIX) or seed[:1] != bytes([COSIGNATURE]):
        raise NoteError("not a cosigning key")
    key = CosigningKey(name, Ed25519PrivateKey.from_private_bytes(seed[1:]))
    if key.verifier().key_id.hex() != key_id:
        raise NoteError("the key's id is not that of its name and key")
    return key
