"""Is the keys database as old as a backup? Then its log would go on beside what was signed: refuse.

Compared with the head that was signed last: at the start, before the first call that needs the database,
and every few seconds, since a failover may lead to an older copy at any time.
"""

from vault_service.domain.audit_errors import LogRestoredError
from vault_service.domain.errors import UnavailableError, VaultError, rebuild
from vault_service.kms.kept.heads import HeadKeeper
from vault_service.storage.audit.tree import holds, tree_size
from vault_service.storage.pool import Database


class RestoredWatch:
    """One a process. Its findings end by themselves, once the database is what it should be."""

    def __init__(self, db: Database, heads: HeadKeeper) -> None:
        self._db = db
        self._heads = heads
        self._checked = False
        self._found: VaultError | None = None

    def check(self) -> None:
        """Look now. Raises UnavailableError when it cannot be told; then the next call looks again."""
        try:
            found = self._look()
        except UnavailableError as error:
            if not error.code.startswith("audit."):
                self._checked = False  # what is away may come back as an older copy
                raise
            found = error
        self._found, self._checked = found, True

    def demand(self) -> None:
        """Raises LogRestoredError, HeadsDisagreeError, HeadsUnreadableError; UnavailableError."""
        if not self._checked or self._found is not None:
            self.check()
        found = self._found
        if found is not None:
            raise rebuild(found.code, found.detail, found.retry_after_s)

    def _look(self) -> VaultError | None:
        head = self._heads.last("keys")  # first: the tree only grows, and is never behind what was signed
        with self._db.connection() as conn:
            if holds(conn, head.size, head.root):
                return None
            size = tree_size(conn)
        if size < head.size:
            return LogRestoredError("keys", f"has {size} leaves, and {head.size} were signed: it is older")
        return LogRestoredError("keys", f"differs from the head of {head.size} leaves that was signed")
