"""One ceremony at a time on this host: the kernel's lock (flock), which ends with whoever holds it."""

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from vault_service.domain.errors import ConfigurationError
from vault_service.domain.recovery_errors import CeremonyBusyError


@contextlib.contextmanager
def ceremony_lock(folder: Path) -> Generator[None]:
    """Held from before the ephemeral key is made until the PIN is replaced.

    Raises CeremonyBusyError at once when another process has it, ConfigurationError when the folder cannot
    be used.
    """
    try:
        descriptor = os.open(folder / "ceremony.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"the ceremony folder {folder} ({error.strerror})",
            remedy="Let the ceremony's user own it, mode 0700.",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CeremonyBusyError("the escrow token (another ceremony is at work)") from None
        yield
    finally:
        os.close(descriptor)
