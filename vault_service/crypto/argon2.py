"""Argon2id (RFC 9106): the key that a password gives, within a bound on memory for the whole process."""

import threading
import time
import unicodedata
from collections import deque
from dataclasses import replace

from argon2.low_level import Type, hash_secret_raw

from vault_service.domain.contexts import KdfParams
from vault_service.domain.errors import ConfigurationError, OverloadedError
from vault_service.domain.floors import KDF_CEILING, KDF_FLOOR

SALT_BYTES = 16
KEK_BYTES = 32
_LEAST_KIB = 8  # RFC 9106, section 3.1: 8 for each lane


def prepare_password(password: str) -> bytes:
    """UTF-8 of the NFC form (NIST SP 800-63B-4, section 3.1.1.2), so that keyboards agree."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def check_params(params: KdfParams) -> None:
    """Refuse a cost below the floor or above the ceiling before any memory is taken.

    Parameters come from a database row: a superuser could lower them to speed up guessing, or
    raise them to exhaust this process.
    """
    within = (
        KDF_FLOOR.memory_kib <= params.memory_kib <= KDF_CEILING.memory_kib
        and KDF_FLOOR.iterations <= params.iterations <= KDF_CEILING.iterations
        and params.lanes == KDF_FLOOR.lanes
        and params.version == KDF_FLOOR.version
    )
    if not within:
        raise ConfigurationError(
            f"Argon2id cost {params} is outside the limits",
            remedy="A stored row was altered: see the audit log.",
        )


class Argon2:
    """Derives keys; waits for its share of a fixed amount of memory, in order of arrival."""

    def __init__(self, *, budget_kib: int, queue_wait_s: float) -> None:
        self._budget_kib = budget_kib
        self._queue_wait_s = queue_wait_s
        self._free_kib = budget_kib
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self.derivations = 0  # for tests that count work, and for metrics
        self.work = 0  # blocks of 1 KiB that were filled, likewise

    def derive(self, password: str, salt: bytes, params: KdfParams, *, wait: bool = True) -> bytes:
        """The 32-byte key of a password.

        `wait`: for memory; without, only what is free, and nobody waits for, is taken. Raises
        ConfigurationError for parameters outside the limits and OverloadedError when no memory became free
        in time.
        """
        check_params(params)
        return self._derive(prepare_password(password), salt, params, self._queue_wait_s if wait else 0.0)

    def fill_up(self, done: KdfParams, due: KdfParams) -> None:
        """The work that `done` was less than `due`, for nothing but that both take the same time.

        Raises OverloadedError.
        """
        missing = (due.work() - done.work()) // due.iterations  # KiB: less than due's own
        if missing >= _LEAST_KIB:
            self._derive(b"", bytes(SALT_BYTES), replace(due, memory_kib=missing), self._queue_wait_s)

    def _derive(self, secret: bytes, salt: bytes, params: KdfParams, wait_s: float) -> bytes:
        need = params.memory_kib
        self._acquire(need, wait_s)
        try:
            self.derivations += 1
            self.work += params.work()
            return hash_secret_raw(
                secret=secret,
                salt=salt,
                time_cost=params.iterations,
                memory_cost=params.memory_kib,
                parallelism=params.lanes,
                hash_len=KEK_BYTES,
                type=Type.ID,
                version=params.version,
            )
        finally:
            with self._changed:
                self._free_kib += need
                self._changed.notify_all()

    def _acquire(self, need: int, wait_s: float) -> None:
        if need > self._budget_kib:
            raise OverloadedError("memory for password hashing")
        ticket = object()
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._queue.append(ticket)
            try:
                while self._queue[0] is not ticket or self._free_kib < need:
                    left = deadline - time.monotonic()
                    if left <= 0 or not self._changed.wait(left):
                        raise OverloadedError("memory for password hashing")
                self._free_kib -= need
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
