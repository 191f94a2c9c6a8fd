"""Keys and signatures of notes, and the lines that stand for them (C2SP signed-note)."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from vault_service.tlog import strict
from vault_service.tlog.errors import NoteError

ED25519: Final = 0x01
"""Signature type of a log's signature: Ed25519 over the note's text."""
COSIGNATURE: Final = 0x04
"""Signature type of a cosigner: time and Ed25519 signature, as C2SP tlog-cosignature."""

KEY_ID_BYTES = 4
_DASH = "\N{EM DASH} "
_PUBLIC_BYTES = 32
_VKEY = re.compile(r"(?P<name>[^+]*)\+(?P<id>[0-9a-f]{8})\+(?P<key>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """An Ed25519 public key (32 bytes) with the name and the type that its signatures carry."""

    name: str
    key_type: int  # ED25519 or COSIGNATURE
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse what could not be written down. Raises NoteError."""
        strict.name_of(self.name, "the key's name")
        if self.key_type not in (ED25519, COSIGNATURE):
            raise NoteError(f"signature type {self.key_type} is not known here")
        if len(self.public_key) != _PUBLIC_BYTES:
            raise NoteError(f"an Ed25519 public key has {_PUBLIC_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """4 bytes: SHA-256(name || 0x0A || type || public key)[:4]."""
        hashed = self.name.encode() + b"\n" + bytes([self.key_type]) + self.public_key
        return sha256(hashed).digest()[:KEY_ID_BYTES]

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Read `name+hex8+base64`. Raises NoteError, also when the id is not that of the key."""
        parts = _VKEY.fullmatch(vkey)
        if parts is None:
            raise NoteError("a verifier key is name+8 hex digits in lower case+base64")
        material = strict.bytes_of(parts["key"], "the public key")
        if len(material) != 1 + _PUBLIC_BYTES:
            raise NoteError(f"the public key has {len(material)} bytes, not a type and {_PUBLIC_BYTES}")
        key = cls(parts["name"], material[0], material[1:])
        if key.key_id.hex() != parts["id"]:
            raise NoteError("the verifier key's id is not that of its name and public key")
        return key

    def format(self) -> str:
        """`name+hex8+base64`, as the C2SP specification's verifier keys; no newline."""
        material = strict.base64_of(bytes([self.key_type]) + self.public_key)
        return f"{self.name}+{self.key_id.hex()}+{material}"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose it claims to be, and the bytes after the key id."""

    name: str
    key_id: bytes  # 4
    blob: bytes

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read a line without its newline. Raises NoteError."""
        if not line:
            raise NoteError("there is an empty line among the signatures")
        if not line.startswith(_DASH):
            raise NoteError("a signature line begins with an em dash and a space")
        parts = line.removeprefix(_DASH).split(" ")
        if len(parts) != 2:
            raise NoteError("a signature line is em dash, name and base64, each after one space")
        name = strict.name_of(parts[0], "a signature's name")
        value = strict.bytes_of(parts[1], "a signature")
        if len(value) <= KEY_ID_BYTES:
            raise NoteError("a signature is shorter than a key id and one byte")
        return cls(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])

    def format(self) -> str:
        """The line without its newline."""
        return f"{_DASH}{self.name} {strict.base64_of(self.key_id + self.blob)}"


MAX_SIGNATURES = 64


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Read 1 to 64 signature lines, each ended by a newline. Raises NoteError."""
    if not lines.endswith("\n"):
        raise NoteError("the last signature line does not end with a newline")
    found = lines[:-1].split("\n")
    _refuse_too_many(len(found))
    return one_by_each(tuple(Signature.parse(line) for line in found))


def one_by_each(signatures: tuple[Signature, ...]) -> tuple[Signature, ...]:
    """At most 64 signatures, no two by one key: such would be counted twice. Raises NoteError."""
    _refuse_too_many(len(signatures))
    if len({(each.name, each.key_id) for each in signatures}) < len(signatures):
        raise NoteError("two signatures have the same name and key id")
    return signatures


def _refuse_too_many(count: int) -> None:
    if count > MAX_SIGNATURES:
        raise NoteError(f"there are more than {MAX_SIGNATURES} signatures")
