"""Erased users, remembered outside the database: a restored backup must not bring them back.

?id    is about to be erased; written before the transaction
id     is erased; written after its commit, or later if a crash came between (kms/users/erase.py)
"""

import threading
from pathlib import Path
from uuid import UUID

from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.domain.ids import UserId
from vault_service.durable import append_line

_BEGUN = "?"
_LINE_BYTES = 38  # the mark, a UUID and the end of the line, at the most


class Tombstones:
    """An append-only file, a user a line."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "erased-users"
        self._lock = threading.Lock()

    def begin(self, user: UserId) -> None:
        """Remember whom to look for, should this process die right after the commit."""
        self._append(f"{_BEGUN}{user}\n")

    def add(self, user: UserId) -> None:
        """Remember a user whose wraps are destroyed and committed so."""
        self._append(f"{user}\n")

    def all(self) -> tuple[UserId, ...]:
        """Everybody who was erased through this host."""
        return tuple(UserId(UUID(line)) for line in self._lines() if not line.startswith(_BEGUN))

    def begun(self) -> tuple[UserId, ...]:
        """Whose erasure was begun, and may or may not have been committed."""
        lines = self._lines()
        erased = set(lines)
        begun = dict.fromkeys(line.removeprefix(_BEGUN) for line in lines if line.startswith(_BEGUN))
        return tuple(UserId(UUID(line)) for line in begun if line not in erased)

    def _append(self, line: str) -> None:
        try:
            with self._lock:
                append_line(self._path, line.encode("ascii"), _LINE_BYTES)
        except OSError as error:
            raise _unavailable(error) from error

    def _lines(self) -> list[str]:
        """Whole lines, checked; a torn last one is nobody yet."""
        try:
            lines = self._path.read_text("ascii").split("\n")[:-1]
            return [line for line in lines if UUID(line.removeprefix(_BEGUN))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unavailable(error) from error
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path} does not hold user ids", remedy="Restore the file from the host's backup."
            ) from error


def _unavailable(error: OSError) -> UnavailableError:
    return UnavailableError(f"the key service's state folder ({error.strerror})")
