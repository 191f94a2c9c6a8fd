"""One process at a time starts a module and logs in, or changes a PIN.

With SoftHSM, several at once fail about half the time. The lock is the kernel's (flock): it ends
with the process that holds it, however that dies.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator

from vault_service.domain.errors import TokenUnavailableError
from vault_service.durable import give_to_owner
from vault_service.kms.token.pkcs11_module import TokenPlace
from vault_service.kms.token.softhsm_files import keep_copies

WAIT_S = 30.0  # many processes may be starting; a ceremony holds its own token's lock for longer
_LOOK_EVERY_S = 0.01


@contextlib.contextmanager
def token_lock(place: TokenPlace, *, wait_s: float = WAIT_S) -> Generator[None]:
    """Held around start and login, and around whatever changes a PIN.

    A soft token's files are mended and copied on the way in. Raises TokenUnavailableError when
    another process keeps the lock, or the state folder cannot be used.
    """
    try:
        place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = place.state_dir / f"{place.label}.lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise TokenUnavailableError(f"the folder {place.state_dir} ({error.strerror})") from error
    try:
        give_to_owner(descriptor, place.state_dir)
        _acquire(descriptor, place, time.monotonic() + wait_s)
        if place.softhsm2_conf is not None:
            keep_copies(place.softhsm2_conf, place.state_dir)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, place: TokenPlace, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TokenUnavailableError(f"the token {place.label} (another process has it)") from None
            time.sleep(_LOOK_EVERY_S)
        else:
            return
