"""The manifest chain as this key service last believed it, in a file outside the database.

A restored backup lacks the newest links, and nothing goes back to an older manifest: without the file a
backup from before a rotation would be refused for good. The links are signed, and verified again before one
is put back: whoever alters the file makes it useless, and gains nothing.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from vault_service.crypto.manifest_chain import SignedManifest
from vault_service.domain.errors import UnavailableError
from vault_service.durable import replace_whole

_log = structlog.get_logger("kms")


@dataclass(frozen=True, slots=True)
class KeptChain:
    """All links, in order; 2 to 4 KB each."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "manifest-chain"

    def keep(self, links: Sequence[SignedManifest]) -> None:
        """On disk when this returns; a shorter chain never takes the place of a longer one.

        Raises UnavailableError.
        """
        if len(self.links()) >= len(links):
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_whole(self._file, msgspec.json.encode(tuple(links)), by=f".{os.getpid()}")
        except OSError as error:
            raise UnavailableError(f"the folder {self.folder} ({error.strerror})") from error

    def links(self) -> tuple[SignedManifest, ...]:
        """Not verified; none where there is no file, or one that cannot be read."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=tuple[SignedManifest, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            _log.warning("kms.manifest_chain_file_unreadable", file=str(self._file))
            return ()
