"""Erased users, remembered outside the database: a restored backup must not bring them back."""

import os
import threading
from pathlib import Path
from uuid import UUID

from vault_service.domain.errors import ConfigurationError, UnavailableError
from vault_service.domain.ids import UserId


class Tombstones:
    """An append-only file of user ids, one a line."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "erased-users"
        self._lock = threading.Lock()

    def add(self, user: UserId) -> None:
        """Remember a user whose wraps are destroyed and committed so."""
        try:
            with self._lock, self._path.open("a", encoding="ascii") as file:
                file.write(f"{user}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UnavailableError(f"the key service's state folder ({error.strerror})") from error

    def all(self) -> tuple[UserId, ...]:
        """Everybody who was erased through this host; a torn last line is nobody yet."""
        try:
            lines = self._path.read_text("ascii").split("\n")[:-1]
            return tuple(UserId(UUID(line)) for line in lines)
        except FileNotFoundError:
            return ()
        except ValueError as error:
            raise ConfigurationError(
                f"{self._path} does not hold user ids", remedy="Restore the file from the host's backup."
            ) from error
