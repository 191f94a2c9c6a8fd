"""Keys, signed notes and checkpoints: C2SP signed-note, tlog-checkpoint and tlog-cosignature."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vault_service.verify.findings import NoteError, UnreadableError, shown

LOGS = ("keys", "records")
MAX_NOTE = 1 << 20  # characters
MAX_SIGNATURES = 64
_SIGNS, _COSIGNS = 0x01, 0x04  # signature types of signed-note
_ID = 4  # bytes of a key id
_SIGNATURE = re.compile(r"— ([^\s+]+) (\S+)")
_LAST_SECOND = 253_402_300_799
_RESTORED = re.compile(r"/restored-([1-9][0-9]{0,5})")
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # what steers a terminal, too
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_NAME = re.compile(r"(vault_service/[0-9a-f]{32})/(keys|records)")
_WHICH_KEYS = "Name the audit.vkey that you got over another channel than the export."
_KeyRef = tuple[str, bytes]  # name and key id, as they stand on a signature line


@dataclass(frozen=True, slots=True)
class Key:
    """A C2SP vkey and what the key file says that it is for."""

    role: str  # signing, retired, cosigning
    name: str
    key_id: bytes
    public: bytes
    verify: Callable[[bytes, bytes], None] = field(compare=False)  # signature and message


@dataclass(frozen=True, slots=True)
class Keys:
    """audit.vkey."""

    raw: bytes
    log_names: dict[str, str]  # by log
    keys: dict[_KeyRef, Key]

    @property
    def cosigners(self) -> int:
        """How many keys cosign."""
        return sum(key.role == "cosigning" for key in self.keys.values())

    def names(self, cosigned: Collection[bytes]) -> list[str]:
        """What the key file calls the owners of these public keys."""
        return sorted({key.name for key in self.keys.values() if key.public in cosigned})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A note whose form is right; the signatures are not yet looked at."""

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: dict[_KeyRef, bytes]


@dataclass(frozen=True, slots=True)
class Vouched:
    """Who vouches for a checkpoint."""

    signed_by: frozenset[str]  # roles of the log's keys: signing, retired
    cosigned: dict[bytes, int]  # by public key: when, in seconds since 1970


def b64(text: str, what: str) -> bytes:
    """Standard base64, in its one canonical form only."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("note.form", f"{what} is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise NoteError("note.form", f"{what} is not canonical base64")
    return raw


def read_keys(raw: bytes) -> Keys:
    """Raises UnreadableError: with a key file in doubt nothing else means anything."""
    try:
        if not raw.isascii():
            raise NoteError("note.form", "it is no audit.vkey, which is plain ASCII text")
        text = raw.decode("ascii")
        if not text.endswith("\n"):
            raise NoteError("note.form", "its last newline is missing")
        found = [_key(line) for line in text[:-1].split("\n")]
    except (ValueError, NoteError) as error:
        raise UnreadableError(f"the key file cannot be used: {error}", _WHICH_KEYS) from None
    names: dict[str, str] = {}
    vaults: set[str] = set()
    for key in found:
        if key.role != "cosigning" and (match := _KEY_NAME.fullmatch(key.name)):
            vaults.add(match[1])
            names[match[2]] = key.name
    signing = sorted(key.name for key in found if key.role == "signing")
    keys = {(key.name, key.key_id): key for key in found}
    if signing != sorted(names.values()) or set(names) != set(LOGS) or len(vaults) != 1:
        raise UnreadableError("the key file must name one signing key for each log of one vault", _WHICH_KEYS)
    logs = {key.public for key in found if key.role != "cosigning"}
    if any(key.public in logs for key in found if key.role == "cosigning"):
        raise UnreadableError("the key file has a log cosigned by the log's own key", _WHICH_KEYS)
    if len(keys) != len(found):
        raise UnreadableError("the key file names a key twice", _WHICH_KEYS)
    return Keys(raw, names, keys)


def _key(line: str) -> Key:
    role, _, vkey = line.partition(" ")
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = b64(encoded, "a key")
    wanted = _COSIGNS if role == "cosigning" else _SIGNS
    if role not in ("signing", "retired", "cosigning") or len(key) != 33 or key[0] != wanted:
        raise NoteError("note.form", "each line must be signing, retired or cosigning and an Ed25519 vkey")
    if not name or any(char.isspace() for char in name) or _FORBIDDEN.search(name):
        raise NoteError("note.form", "a key's name is empty or holds a space or a control character")
    if role != "cosigning" and not _KEY_NAME.fullmatch(name):
        raise NoteError("note.form", "a log's key is not named vault_service/…/keys or …/records")
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:_ID]
    if key_id != expected.hex():
        raise NoteError("note.form", "a key does not have the id that it names")
    return Key(role, name, expected, key[1:], Ed25519PublicKey.from_public_bytes(key[1:]).verify)


def parse_checkpoint(text: str) -> Checkpoint:
    """Strict: raises NoteError `note.form` for whatever has not the one form."""
    if len(text) > MAX_NOTE:
        raise NoteError("note.form", "the note is larger than 1 MiB")
    if _FORBIDDEN.search(text):
        raise NoteError("note.form", "the note holds a carriage return, control character or surrogate")
    head, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError(
            "note.form", "the note is not a text, an empty line and signatures, each ending in a newline"
        )
    lines = head.split("\n")
    if len(lines) != 3:  # our logs write no extension lines
        raise NoteError("note.form", "the text is not the three lines origin, size, root")
    origin, size, root = lines
    if not origin or not _NUMBER.fullmatch(size) or int(size) >= 1 << 63:
        raise NoteError(
            "note.form", "the origin is empty, or the size is not a plain decimal number below 2**63"
        )
    if len(hash_ := b64(root, "the root")) != hashlib.sha256().digest_size:
        raise NoteError("note.form", "the root is not 32 bytes")
    signatures: dict[_KeyRef, bytes] = {}
    signature_lines = tail[:-1].split("\n")
    if len(signature_lines) > MAX_SIGNATURES:
        raise NoteError("note.form", f"the note has more than {MAX_SIGNATURES} signatures")
    for line in signature_lines:
        match = _SIGNATURE.fullmatch(line)
        if not match or len(blob := b64(match[2], "a signature")) <= _ID:
            raise NoteError("note.form", "a signature line is not a dash, a name and base64")
        name = match[1]
        if (name, blob[:_ID]) in signatures:
            raise NoteError("note.form", f"two signatures of the same key of {shown(name)}")
        signatures[name, blob[:_ID]] = blob[_ID:]
    return Checkpoint(origin, int(size), hash_, (head + "\n").encode(), signatures)


def log_of(checkpoint: Checkpoint, keys: Keys) -> tuple[str, int]:
    """Which log and generation an origin names; NoteError `note.origin` for any other."""
    for log, name in keys.log_names.items():
        if checkpoint.origin == name:
            return log, 1
        if checkpoint.origin.startswith(name) and (
            match := _RESTORED.fullmatch(checkpoint.origin, len(name))
        ):
            return log, int(match[1]) + 1
    raise NoteError("note.origin", f"the origin {checkpoint.origin!a} is neither log of the key file")


def vouched(checkpoint: Checkpoint, keys: Keys, log: str) -> Vouched:
    """Every signature of a known key must hold, one of them the log's own. Raises NoteError."""
    signed: set[str] = set()
    cosigned: dict[bytes, int] = {}
    for ref, blob in checkpoint.signatures.items():
        key = keys.keys.get(ref)
        if key is None:
            continue  # signed-note: signatures of keys that the reader does not know say nothing
        message = checkpoint.body
        if key.role == "cosigning":
            time = int.from_bytes(blob[:8], "big")
            if time > _LAST_SECOND:
                raise NoteError("note.form", "a cosignature is of after the year 9999")
            message, blob = b"cosignature/v1\ntime %d\n" % time + message, blob[8:]
            cosigned[key.public] = time
        elif key.name == keys.log_names[log]:
            signed.add(key.role)
        try:
            key.verify(blob, message)
        except InvalidSignature:
            raise NoteError("note.signature", f"the signature of {key.name} does not hold") from None
    if not signed:
        raise NoteError("note.signature", "no key of this log has signed it")
    return Vouched(frozenset(signed), cosigned)
