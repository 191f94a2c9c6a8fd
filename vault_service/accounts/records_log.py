"""Is the records database as old as a backup? Then nothing is read from it and nothing written.

Asked once after the start, of the key service, which remembers the last head of the records log that it
signed. Until it has answered nobody is served; afterwards an outage of the key service matters no more.
"""

import threading
import time

from vault_service.domain.audit_errors import LogRestoredError, LogUncheckedError
from vault_service.domain.errors import VaultError, rebuild
from vault_service.kms.client import KmsClient
from vault_service.kms.protocol.messages import LogHead, LogHeadIs
from vault_service.storage.audit.tree import holds
from vault_service.storage.pool import Database

_AGAIN_S = 1.0  # after a refusal: many requests at once must not all ask
_TURN_S = 2.0  # for another request that is asking


class RecordsLog:
    """Thread-safe; one a process."""

    def __init__(self, db: Database, kms: KmsClient) -> None:
        self._db = db
        self._kms = kms
        self._lock = threading.Lock()
        self._is_sound = False
        self._refused: VaultError | None = None
        self._refused_at = 0.0  # monotonic

    def demand(self) -> None:
        """Raises LogRestoredError for an older database, LogUncheckedError before that is known.

        It ends by itself: once the database is the right one again, or its restore was accepted.
        """
        if self._is_sound:
            return
        if not self._lock.acquire(timeout=_TURN_S):
            raise LogUncheckedError("the records database is being compared with what was signed")
        try:
            if not self._is_sound:
                self._check()
        finally:
            self._lock.release()

    def _check(self) -> None:
        refused = self._refused
        if refused is not None and time.monotonic() < self._refused_at + _AGAIN_S:
            raise self._again(refused)
        try:
            self._compare()
        except VaultError as error:
            self._refused, self._refused_at = error, time.monotonic()
            raise
        self._is_sound = True

    def _compare(self) -> None:
        try:
            head = self._kms.call(LogHead("records"), LogHeadIs)
            with self._db.connection() as conn:
                if holds(conn, head.size, head.root):
                    return
        except VaultError as error:
            raise LogUncheckedError(
                f"the records database has not been compared with what was signed ({error.code})"
            ) from error
        raise LogRestoredError("records", f"does not hold the head of {head.size} leaves that was signed")

    def _again(self, refused: VaultError) -> VaultError:
        """Anew for each request: threads must not add to one traceback."""
        again = rebuild(refused.code, refused.detail, refused.retry_after_s)
        again.remedy = refused.remedy  # type: ignore[misc]  # it may know the side
        return again
