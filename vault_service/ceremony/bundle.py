"""Each share set once more, as a file in the ceremony host's folder, on disk before the PIN changes.

A restored older database would otherwise lock the escrow: it holds shares of a PIN that is no more.
Nothing in here is secret without the officers' keys. A file is whole or not there; of what it says
about the PIN's change pin_state.py tells what is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from vault_service.domain.errors import ConfigurationError
from vault_service.durable import replace_whole

Kept = Literal["prepared", "switching", "active", "void"]
_SHARES, _REFUSED = "shares-{}.json", "refused-{}"


class ShareSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sealed shares of one PIN, and how far its change has come."""

    v: Literal[2]
    generation: Annotated[int, Meta(ge=1)]
    token_serial: str
    pin_check: Annotated[bytes, Meta(min_length=32, max_length=32)]
    state: Kept
    shares: dict[UUID, bytes]  # officer -> share, sealed


class BundleError(ConfigurationError):
    """The folder of share sets cannot be read or written."""

    code = "escrow.bundle"
    remedy = "Make room or correct the folder's owner, then run the ceremony again; the PIN is unchanged."


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the folder holds."""

    sets: Mapping[int, ShareSet]
    refused: frozenset[int]  # generations that the token did not take
    unreadable: tuple[Path, ...]


def share_set_file(folder: Path, generation: int) -> Path:
    """Where the shares of a generation are."""
    return folder / _SHARES.format(generation)


def read_bundle(folder: Path) -> Bundle:
    """All sets of the folder; what cannot be read counts as not there, a missing folder as empty.

    Raises BundleError when this process may not look: a folder that it cannot see is not a lost one.
    """
    sets: dict[int, ShareSet] = {}
    unreadable: list[Path] = []
    refused: set[int] = set()
    try:
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            if (number := path.name.removeprefix(_REFUSED.format(""))).isdecimal():
                refused.add(int(number))
            if not path.match(_SHARES.format("*")):
                continue
            try:
                found = msgspec.json.decode(path.read_bytes(), type=ShareSet)
            except (msgspec.DecodeError, UnicodeDecodeError):
                unreadable.append(path)
                continue
            if path == share_set_file(folder, found.generation):
                sets[found.generation] = found
            else:
                unreadable.append(path)
    except OSError as error:
        raise BundleError(f"the ceremony folder {folder} ({error.strerror})") from error
    return Bundle(sets, frozenset(refused), tuple(unreadable))


def keep(folder: Path, shares: ShareSet) -> None:
    """Write a set, whole and on disk when this returns, in the place of an older one. Raises BundleError."""
    _write(share_set_file(folder, shares.generation), msgspec.json.encode(shares))


def keep_refused(folder: Path, generation: int) -> None:
    """Remember that the token did not take this PIN: no ceremony tries it again. Raises BundleError."""
    _write(folder / _REFUSED.format(generation), b"")


def forget(folder: Path, generation: int) -> None:
    """Remove all about a generation whose PIN is no more. Raises BundleError."""
    try:
        share_set_file(folder, generation).unlink(missing_ok=True)
        (folder / _REFUSED.format(generation)).unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(f"the ceremony folder {folder} ({error.strerror})") from error


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(path, content)
    except OSError as error:
        raise BundleError(f"the ceremony folder {path.parent} ({error.strerror})") from error
