"""One process at a time starts a module and logs in, or changes a PIN.

Several at once fail about half the time with SoftHSM. It also rewrites `token.object` in place at
each login and PIN change, without fsync: killed in between, the file is empty and the token gone.
So a copy is taken first, and an empty file is replaced by its copy before the module looks at it.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from vault_service.domain.errors import TokenUnavailableError
from vault_service.kms.pkcs11_module import TokenPlace

_OBJECT = "token.object"


@contextlib.contextmanager
def token_lock(place: TokenPlace) -> Iterator[None]:
    """Held around start and login, and around whatever changes a PIN.

    On the way in, empty token objects are restored and the others copied aside. Raises
    TokenUnavailableError when the state folder cannot be used.
    """
    try:
        place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place.state_dir / f"{place.label}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise TokenUnavailableError(f"the folder {place.state_dir} ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _keep_copies(place)
        yield
    finally:
        os.close(descriptor)


def _keep_copies(place: TokenPlace) -> None:
    for stored in _token_objects(place):
        copy = place.state_dir / f"{stored.parent.name}.{_OBJECT}"
        try:
            if stored.stat().st_size == 0:
                if copy.exists():
                    _replace(stored, copy.read_bytes())
            else:
                content = stored.read_bytes()
                if not copy.exists() or copy.read_bytes() != content:
                    _replace(copy, content)
        except OSError as error:
            raise TokenUnavailableError(f"the token's files ({error.strerror})") from error


def _token_objects(place: TokenPlace) -> list[Path]:
    """SoftHSM's: one folder a token. Other modules have none."""
    if place.softhsm2_conf is None:
        return []
    try:
        lines = place.softhsm2_conf.read_text("utf-8").splitlines()
    except OSError as error:
        raise TokenUnavailableError(f"{place.softhsm2_conf} ({error.strerror})") from error
    folders = [
        Path(value.strip())
        for key, _, value in (line.partition("=") for line in lines)
        if key.strip() == "directories.tokendir"
    ]
    return [found for folder in folders for found in folder.glob(f"*/{_OBJECT}")]


def _replace(path: Path, content: bytes) -> None:
    """Whole and on disk, or not at all."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
