"""Finish what a crash left between the two databases: the records side's worker, every few seconds.

An intent older than a minute belongs to a request whose caller has given up. The user's epoch in
the keys database tells what became of it: raised, the password change is finished here; gone, the
erasure is; as it was, nothing happened yet. The key service may still be about to do it (it was
frozen, or its queue is long), so such an intent only goes after ten minutes.
"""

from datetime import timedelta

from vault_service.accounts.change_password import finish_password_change
from vault_service.accounts.erase import finish_erasure
from vault_service.accounts.service import AccountParts
from vault_service.domain.events import RecordsEvent
from vault_service.kms.messages import Epoch, EpochIs
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.intents import Intent, delete_intent, find_old

SETTLED_AFTER = timedelta(minutes=1)  # far longer than any caller waits for the key service
GIVEN_UP_AFTER = timedelta(minutes=10)  # far longer than the key service may take for what it was asked
_BATCH = 200


def repair_intents(parts: AccountParts) -> int:
    """Returns how many intents were settled. Raises UnavailableError while a side is away.

    Looks at all of them: those that must wait, be they ever so many after an outage, hold up no other.
    """
    before = parts.now() - SETTLED_AFTER
    settled = 0
    last: Intent | None = None
    while True:
        with parts.db.connection() as conn:
            page = find_old(conn, before, _BATCH, after=last)
        settled += sum(_settle(parts, intent) for intent in page)
        if len(page) < _BATCH:
            return settled
        last = page[-1]


def _settle(parts: AccountParts, intent: Intent) -> bool:
    epoch = parts.kms.call(Epoch(intent.user), EpochIs).epoch
    if epoch is None and intent.kind == "erase":
        finish_erasure(parts, intent)
        return True
    if epoch is not None and epoch > intent.epoch and intent.kind == "password":
        finish_password_change(parts, intent, epoch)
        return True
    if intent.began > parts.now() - GIVEN_UP_AFTER:
        return False
    with parts.db.transaction() as conn:
        if delete_intent(conn, intent):
            insert_event(conn, user=intent.user, kind=RecordsEvent.INTENT_REPAIRED, at=parts.now())
    return True
