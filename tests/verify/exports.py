"""Exports made by a naive writer of the tests' own: the definitions of the RFCs, word by word."""

import base64
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VAULT = "vault_service/" + "ab" * 16
START = datetime(2026, 11, 27, 9, 20, tzinfo=UTC)
COSIGNED = int(START.timestamp()) + 3600
Event = dict[str, object]


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + tree_hash(leaves[:k]) + tree_hash(leaves[k:])).digest()


def audit_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    if m < k:
        return [*audit_path(m, leaves[:k]), tree_hash(leaves[k:])]
    return [*audit_path(m - k, leaves[k:]), tree_hash(leaves[:k])]


def tile_name(level: int, index: int, width: int) -> str:
    """C2SP tlog-tiles: three digits at a time, all but the last with an x; .p/W for W entries of 256."""
    digits = f"{index:09}"
    groups = [digits[at : at + 3] for at in (0, 3, 6)]
    while groups[0] == "000" and len(groups) > 1:
        groups.pop(0)
    place = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{place}" + (f".p/{width}" if width < 256 else "")


def tiles(leaves: Sequence[bytes]) -> dict[str, bytes]:
    """Every tile by C2SP tlog-tiles: entry i of level L is the tree hash of leaves i*256^L to (i+1)*256^L."""
    made: dict[str, bytes] = {}
    level = 0
    while (span := 256**level) <= len(leaves):
        entries = [tree_hash(leaves[at * span : (at + 1) * span]) for at in range(len(leaves) // span)]
        for number in range(0, len(entries), 256):
            part = entries[number : number + 256]
            made[tile_name(level, number // 256, len(part))] = b"".join(part)
        level += 1
    return made


def key(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


def vkey(name: str, private: Ed25519PrivateKey, kind: int) -> tuple[str, bytes]:
    """The vkey and the key id."""
    public = bytes([kind]) + private.public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}", key_id


def signed_by(name: str, private: Ed25519PrivateKey, body: str) -> str:
    blob = vkey(name, private, 1)[1] + private.sign(body.encode())
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def cosigned_by(name: str, private: Ed25519PrivateKey, body: str, time: int) -> str:
    signature = private.sign(f"cosignature/v1\ntime {time}\n{body}".encode())
    blob = vkey(name, private, 4)[1] + time.to_bytes(8, "big") + signature
    return f"— {name} {base64.b64encode(blob).decode()}\n"


def uuid(text: str) -> str:
    return str(UUID(bytes=hashlib.sha256(text.encode()).digest()[:16]))


def event(kind: str, number: int, user: str = "ana", log: str = "records", **more: object) -> Event:
    """An event like the vault's; its time is its number in seconds."""
    at = (START + timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    default: Event = {"n": 1} if log == "records" else {}
    ids: Event = {"event_id": uuid(f"{log} {number} {kind}"), "user_id": uuid(user)}
    return {"v": 1, "kind": kind, "at": at, **ids, **default, **more}


def leaf(of: Event) -> bytes:
    return json.dumps(of, sort_keys=True, separators=(",", ":")).encode()


def unlocked(number: int, user: str = "ana") -> Event:
    ids: Event = {"unlock_id": uuid(f"unlock {number}"), "app_id": uuid("app")}
    return event("unlocked", number, user, "keys", epoch=1, **ids)


def session(number: int, unlock: int, user: str = "ana") -> Event:
    ids: Event = {"session_id": uuid(f"session {number}"), "unlock_id": uuid(f"unlock {unlock}")}
    return event("session_opened", number, user, "records", app_id=uuid("app"), **ids)


def touched(number: int, opened: Event, kind: str = "record_read") -> Event:
    ids: Event = {name: opened[name] for name in ("session_id", "unlock_id", "user_id")}
    return event(kind, number, "ana", "records", record_id=uuid(f"record {number}"), **ids)


@dataclass
class Log:
    """One log as its writer knows it."""

    name: str
    leaves: list[bytes]
    sizes: list[int]  # of the saved checkpoints
    origin: str = ""
    generations: dict[int, str] = field(default_factory=dict[int, str])  # from this size on, another origin
    signer: Ed25519PrivateKey = field(default_factory=lambda: key("unset"))
    retired_until: int = -1  # checkpoints up to this size are of the retired key
    cosigned: bool = True
    cosigned_at: int = COSIGNED
    held: list[str] = field(default_factory=list[str])
    tiles_of: list[bytes] | None = None  # other leaves than those of the lines

    def __post_init__(self) -> None:
        self.origin = self.origin or f"{VAULT}/{self.name}"
        self.signer = key(self.name)

    def body(self, size: int) -> str:
        origin = self.origin
        for begin, suffix in self.generations.items():
            origin = self.origin + suffix if size >= begin else origin
        root = base64.b64encode(tree_hash(self.leaves[:size])).decode()
        return f"{origin}\n{size}\n{root}\n"

    def note(self, size: int) -> str:
        return self.signed(self.body(size), retired=size <= self.retired_until)

    def signed(self, body: str, *, retired: bool = False) -> str:
        signer = key(self.name + " retired") if retired else self.signer
        note = body + "\n" + signed_by(f"{VAULT}/{self.name}", signer, body)
        return note + (
            cosigned_by("witness", key("witness"), body, self.cosigned_at) if self.cosigned else ""
        )


def key_file() -> bytes:
    lines = [
        f"{role} {vkey(f'{VAULT}/{log}', key(log + suffix), 1)[0]}"
        for log in ("keys", "records")
        for role, suffix in (("signing", ""), ("retired", " retired"))
    ]
    return "".join(
        f"{line}\n" for line in [*lines, f"cosigning {vkey('witness', key('witness'), 4)[0]}"]
    ).encode()


@dataclass
class Export:
    """An export on disk, and what was to be in it."""

    folder: Path
    keys: Log
    records: Log

    @property
    def logs(self) -> tuple[Log, Log]:
        return self.keys, self.records

    def write(self) -> None:
        """All files; MANIFEST last."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.put("audit.vkey", key_file())
        for log in self.logs:
            notes = [log.note(size) for size in log.sizes]
            self.put(f"{log.name}/events.jsonl", b"".join(line + b"\n" for line in log.leaves))
            self.put(f"{log.name}/checkpoint", notes[-1].encode())
            self.put(f"{log.name}/checkpoints.jsonl", b"".join(json.dumps(n).encode() + b"\n" for n in notes))
            self.put(f"{log.name}/held.jsonl", b"".join(json.dumps(n).encode() + b"\n" for n in log.held))
            self.remake_tiles(log.name, log.tiles_of or log.leaves)
        self.remake_manifest()

    def put(self, path: str, content: bytes) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)

    def get(self, path: str) -> bytes:
        return (self.folder / path).read_bytes()

    def lines(self, log: str) -> list[bytes]:
        return self.get(f"{log}/events.jsonl").splitlines()

    def set_lines(self, log: str, lines: Sequence[bytes], *, tiles_too: bool = False) -> None:
        self.put(f"{log}/events.jsonl", b"".join(line + b"\n" for line in lines))
        if tiles_too:
            self.remake_tiles(log, lines)
        self.remake_manifest()

    def remake_tiles(self, log: str, leaves: Sequence[bytes]) -> None:
        shutil.rmtree(self.folder / log / "tile", ignore_errors=True)
        for path, content in tiles(leaves).items():
            self.put(f"{log}/{path}", content)

    def remake_manifest(self) -> None:
        lines = sorted(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(self.folder)}\n"
            for path in self.folder.rglob("*")
            if path.is_file() and not path.is_symlink() and path.name != "MANIFEST"
        )
        self.put("MANIFEST", "".join(lines).encode())


def sound_export(folder: Path, *, people: int = 60) -> Export:
    """Each signs in and touches nine records; checkpoints here and there, others remember the newest."""
    keys = Log("keys", [leaf(unlocked(number)) for number in range(people)], [1, people // 2, people])
    events: list[Event] = []
    for number in range(people):
        opened = session(10 * number, number)
        events += [opened, *(touched(10 * number + more, opened) for more in range(1, 10))]
    size = len(events)
    records = Log("records", [leaf(one) for one in events], [100, 256, 400, size])
    export = Export(folder, keys, records)
    for log in export.logs:
        log.held = [log.note(log.sizes[-1])]
    export.write()
    return export
