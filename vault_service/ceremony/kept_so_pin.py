"""The escrow token's security officer PIN while break-glass changes it, sealed under the new words.

One file for each manifest that may come of it: when one attempt dies and another is begun, what the words
of the first give must not be lost before it is known which manifest there is.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vault_service.crypto.seal import open_sealed, seal
from vault_service.domain.contexts import context, text, u64
from vault_service.domain.errors import ConfigurationError, SealBrokenError
from vault_service.domain.manifest import Manifest
from vault_service.durable import replace_whole, sync

_FILE = "break-glass-{}.json"


class _Place:
    """Under which manifest's words, for which token."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest

    def encode(self) -> bytes:
        """See the class."""
        named = self._manifest
        return context(b"kept-so-pin", text(named.tokens.escrow), u64(named.serial))


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    serial: Annotated[int, Meta(ge=1)]
    sealed: bytes


def keep_so_pin(folder: Path, manifest: Manifest, secret: bytes, so_pin: str) -> None:
    """On disk when this returns. `manifest`: the one that will name the words that give `secret`.

    Raises ConfigurationError.
    """
    path = folder / _FILE.format(manifest.serial)
    content = msgspec.json.encode(
        _File(1, manifest.serial, seal(secret, _Place(manifest), so_pin.encode("ascii")))
    )
    try:
        replace_whole(path, content)
    except OSError as error:
        raise ConfigurationError(
            f"the ceremony folder {folder} ({error.strerror})",
            remedy="Make room or correct its owner, then begin again; nothing was changed.",
        ) from error


def kept_so_pin(folder: Path, manifest: Manifest, secret: bytes) -> str | None:
    """What these words still give of an attempt that died; None: nothing."""
    try:
        file = msgspec.json.decode((folder / _FILE.format(manifest.serial)).read_bytes(), type=_File)
        return open_sealed(secret, _Place(manifest), file.sealed).decode("ascii")
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, SealBrokenError):
        return None


def unfinished(folder: Path) -> bool:
    """Whether a break-glass died before its end: it has to be done again, with the newest words."""
    return any(folder.glob(_FILE.format("*")))


def forget_so_pins(folder: Path) -> None:
    """The token has the PIN of the newest words: what was kept opens nothing."""
    for path in folder.glob(_FILE.format("*")):
        path.unlink(missing_ok=True)
    sync(folder)
