"""What a ceremony has to report about many wraps, as files in its own folder."""

import hashlib
import os
from pathlib import Path

from vault_service.domain.errors import ConfigurationError
from vault_service.durable import sync


def save_report(folder: Path, name: str, body: bytes) -> tuple[Path, bytes]:
    """Write it (0600, over no other one); its path, and SHA-256 of its bytes. Raises ConfigurationError."""
    digest = hashlib.sha256(body).digest()
    path = folder / f"{name}-{digest.hex()[:16]}.json"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        sync(folder)
    except OSError as error:
        raise ConfigurationError(
            f"the {folder.name} folder {folder} ({error.strerror})",
            remedy="Let the ceremony's user own it.",
        ) from error
    return path, digest
