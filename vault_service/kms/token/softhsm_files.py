"""Keep a whole copy of SoftHSM's `token.object`, and put it back when the file is damaged.

SoftHSM truncates and rewrites this file at each login and PIN change, without fsync. Killed in
between, or after a power cut, the file is empty or torn and the token is not found any more,
although every key is still there.
"""

import struct
from pathlib import Path

from vault_service.domain.errors import TokenUnavailableError
from vault_service.durable import replace_whole, sync

_OBJECT = "token.object"
_SUFFIX = ".object"  # of each key's file too

# SoftHSM 2.6.1, ObjectFile.cpp: a generation, then attributes of type, kind and value; u64, big-endian.
_GENERATION_BYTES = 8
_HEADER = struct.Struct(">QQ")
_U64 = struct.Struct(">Q")
_BOOLEAN, _NUMBER, _BYTES = 1, 2, 3
_TOKEN_FLAGS, _SO_PIN, _USER_PIN = 0x8000534B, 0x8000534C, 0x8000534D
_USER_PIN_INITIALIZED = 0x8  # CKF_USER_PIN_INITIALIZED


def keep_copies(softhsm2_conf: Path, copies: Path) -> None:
    """Replace each damaged token object by its copy, and copy each whole one; nobody else may log in.

    Raises TokenUnavailableError when the files cannot be read or written.
    """
    try:
        for stored in _token_objects(softhsm2_conf):
            _keep_copy(stored, copies / f"{stored.parent.name}.{_OBJECT}")
    except OSError as error:
        raise TokenUnavailableError(f"the soft token's files ({error.strerror})") from error


def bring_to_disk(softhsm2_conf: Path | None) -> None:
    """What SoftHSM wrote or removed without fsync; None: it is no soft token, and sees to that by itself.

    After a power cut an older PIN could be the token's again, a key that was destroyed be back, or one be
    gone that a manifest names and that everything new is under. Raises TokenUnavailableError.
    """
    if softhsm2_conf is None:
        return
    try:
        for stored in _token_objects(softhsm2_conf):
            for each in sorted(stored.parent.glob(f"*{_SUFFIX}")):
                sync(each)
            sync(stored.parent)
            sync(stored.parent.parent)  # where the token itself may be new
    except OSError as error:
        raise TokenUnavailableError(f"the soft token's files ({error.strerror})") from error


def is_whole(content: bytes) -> bool:
    """Does it parse to its last byte, with the PINs that it says it has?"""
    try:
        values = _parse(content)
    except (struct.error, ValueError):
        return False
    if not values.get(_SO_PIN) or _TOKEN_FLAGS not in values:
        return False
    (flags,) = _U64.unpack(values[_TOKEN_FLAGS])
    return not flags & _USER_PIN_INITIALIZED or bool(values.get(_USER_PIN))


def _parse(content: bytes) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    at = _GENERATION_BYTES
    while at < len(content):
        attribute, kind = _HEADER.unpack_from(content, at)
        at += _HEADER.size
        if kind == _BYTES:
            (length,) = _U64.unpack_from(content, at)
            at += _U64.size
        elif kind in (_BOOLEAN, _NUMBER):
            length = 1 if kind == _BOOLEAN else _U64.size
        else:
            raise ValueError(f"attribute {attribute:#x} of kind {kind}")
        if at + length > len(content):
            raise ValueError(f"attribute {attribute:#x} is cut off")
        values[attribute] = content[at : at + length]
        at += length
    return values


def _keep_copy(stored: Path, copy: Path) -> None:
    content = stored.read_bytes()
    if is_whole(content):
        if not copy.exists() or copy.read_bytes() != content:
            replace_whole(copy, content)
    elif copy.exists():  # a damaged file must never take the place of its copy
        replace_whole(stored, copy.read_bytes())


def _token_objects(softhsm2_conf: Path) -> list[Path]:
    """One folder a token."""
    lines = softhsm2_conf.read_text("utf-8").splitlines()
    folders = [
        Path(value.strip())
        for key, _, value in (line.partition("=") for line in lines)
        if key.strip() == "directories.tokendir"
    ]
    return [found for folder in folders for found in sorted(folder.glob(f"*/{_OBJECT}"))]
