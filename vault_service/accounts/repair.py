"""Finish what a crash left between the two databases: the records side's worker, every few seconds.

An intent older than a minute belongs to a request whose caller has given up. The user's epoch in
the keys database tells what became of it: raised, the change of password or data key is finished here;
gone, the erasure is; as it was, nothing happened yet. The key service may still be about to do it (it
was frozen, or its queue is long), so such an intent only goes after ten minutes.
"""

from datetime import timedelta

import structlog

from vault_service.accounts.across import end_older_sessions
from vault_service.accounts.erase import finish_erasure
from vault_service.accounts.service import AccountParts
from vault_service.domain.errors import VaultError
from vault_service.domain.events import RecordsEvent
from vault_service.kms.protocol.messages import Epoch, EpochIs
from vault_service.storage.records.events import insert_event
from vault_service.storage.records.intents import Intent, delete_intent, find_old

_log = structlog.get_logger("repair")
SETTLED_AFTER = timedelta(minutes=1)  # far longer than any caller waits for the key service
GIVEN_UP_AFTER = timedelta(minutes=10)  # far longer than the key service may take for what it was asked
_BATCH = 200


def repair_intents(parts: AccountParts) -> int:
    """Returns how many intents were settled.

    Looks at all of them: those that must wait or cannot be settled, be they ever so many after an
    outage, hold up no other. Raises UnavailableError at once while a side is away, and at the end
    what the last of those met that could not be settled.
    """
    before = parts.now() - SETTLED_AFTER
    settled = 0
    last: Intent | None = None
    failure: VaultError | None = None
    while True:
        with parts.db.connection() as conn:
            page = find_old(conn, before, _BATCH, after=last)
        for intent in page:
            epoch = parts.kms.call(Epoch(intent.user), EpochIs).epoch
            try:
                settled += _settle(parts, intent, epoch)
            except VaultError as error:
                parts.db.ping()  # is it this user's rows, or the whole database?
                _log.warning("repair.failed", user_id=str(intent.user), code=error.code)
                failure = error
        if len(page) < _BATCH:
            break
        last = page[-1]
    if failure is not None:
        raise failure
    return settled


def _settle(parts: AccountParts, intent: Intent, epoch: int | None) -> bool:
    if epoch is None and intent.kind == "erase":
        finish_erasure(parts, intent)
        return True
    if epoch is not None and epoch > intent.epoch and intent.kind != "erase":
        end_older_sessions(parts, intent, epoch)
        return True
    if intent.began > parts.now() - GIVEN_UP_AFTER:
        return False
    with parts.db.transaction() as conn:
        if delete_intent(conn, intent):
            insert_event(conn, user=intent.user, kind=RecordsEvent.INTENT_REPAIRED, at=parts.now())
    return True
