"""Finish what a crash left between the two databases: the records side's worker, every few seconds.

An intent older than a minute belongs to a request that is over. The user's epoch in the keys
database tells what became of it: raised, the password change is finished here; gone, the erasure
is; as it was, nothing happened and the intent goes.
"""

from datetime import timedelta

from vault_service.accounts.change_password import finish_password_change
from vault_service.accounts.erase import finish_erasure
from vault_service.accounts.service import AccountParts
from vault_service.domain.events import RecordsEvent
from vault_service.kms.messages import Epoch, EpochIs
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.intents import Intent, delete_intent, find_old

SETTLED_AFTER = timedelta(minutes=1)  # far longer than any call to the key service may take
_BATCH = 100


def repair_intents(parts: AccountParts, *, settled_after: timedelta = SETTLED_AFTER) -> int:
    """Returns how many intents were settled. Raises UnavailableError while a side is away."""
    with parts.db.connection() as conn:
        old = find_old(conn, parts.now() - settled_after, _BATCH)
    for intent in old:
        _settle(parts, intent)
    return len(old)


def _settle(parts: AccountParts, intent: Intent) -> None:
    epoch = parts.kms.call(Epoch(intent.user), EpochIs).epoch
    if epoch is None and intent.kind == "erase":
        finish_erasure(parts, intent)
    elif epoch is not None and epoch > intent.epoch and intent.kind == "password":
        finish_password_change(parts, intent, epoch)
    else:
        with parts.db.transaction() as conn:
            if delete_intent(conn, intent):
                insert_event(conn, user=intent.user, kind=RecordsEvent.INTENT_REPAIRED, at=parts.now())
