"""How often each passkey has signed: one that counts back was copied, or an old answer of it is replayed.

W3C Web Authentication, Level 3, section 6.1.1. Passkeys that are synced between devices do not count: they
say 0.
"""

from uuid import UUID

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import OfficerId
from vault_service.domain.web_errors import PasskeyCounterError
from vault_service.recovery.parts import RecoveryParts
from vault_service.storage.keys.events import insert_event
from vault_service.storage.keys.passkey_counters import raise_counter


def take_counter(parts: RecoveryParts, officer_id: UUID, authenticator_id: UUID, sign_count: int) -> None:
    """Of an assertion whose signature was verified: it must be above the last one, or both are 0.

    Raises PasskeyCounterError, once that is recorded.
    """
    now = parts.now()
    with parts.db.transaction() as conn:
        is_above = raise_counter(conn, authenticator_id, sign_count, now)
        if not is_above:
            insert_event(conn, KeysEvent.PASSKEY_COUNTER_WENT_BACK, now, officer=OfficerId(officer_id))
    if not is_above:
        raise PasskeyCounterError("its counter is not above the last one")
