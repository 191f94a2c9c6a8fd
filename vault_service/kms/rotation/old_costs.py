"""How far the raising of the Argon2 cost has come: each sign-in raises one (raise_cost.py)."""

from uuid import UUID

from vault_service.domain.ids import NOBODY
from vault_service.kms.protocol.rotation_messages import CountOldCosts, OldCosts
from vault_service.kms.service import KeyService
from vault_service.storage.keys.old_costs import count_below

_PAGE = 50_000


def count_old_costs(service: KeyService, request: CountOldCosts) -> OldCosts:
    """Over all credentials, page by page; without a lock."""
    del request
    cost = service.policies.passwords.argon2id.params()
    below = looked_at = 0
    after: UUID = NOBODY
    while True:
        with service.db.connection() as conn:
            page = count_below(conn, cost, after=after, limit=_PAGE)
        below, looked_at = below + page.below, looked_at + page.looked_at
        if page.last is None or page.looked_at < _PAGE:
            return OldCosts(below, looked_at, cost.memory_kib, cost.iterations)
        after = page.last
