"""Tell the records side what was done here without it: by officers, or with a recovery code.

Erasures and new data keys too: a restored records database must not bring back the rows of who erased the
account since, nor sessions that would write under a data key that was given up.

From the sealed log, so that nothing is skipped: its leaves are in order and only ever appended to, while
events that are committed at the same time have no order yet.
"""

from vault_service.domain.case import case_time
from vault_service.domain.events import KeysEvent
from vault_service.domain.leaves import kind_name, time_of
from vault_service.kms.protocol.recovery_messages import Change, Changes, ChangesSince
from vault_service.kms.service import KeyService
from vault_service.storage.keys.changes import ChangeRow, read_changes

FOLLOWED = (
    KeysEvent.ACCESS_REGAINED,
    KeysEvent.ERASED_BY_OFFICERS,
    KeysEvent.DATA_DISCLOSED,
    KeysEvent.USER_LOOKED_UP,
    KeysEvent.RECOVERY_CODE_USED,
    KeysEvent.USER_ERASED,
    KeysEvent.DATA_KEY_ADDED,
)


def changes_since(service: KeyService, request: ChangesSince) -> Changes:
    """One page of changes.

    `next_index` is smaller than what was asked for, or `generation` another one than before, where the keys
    database was restored: then the caller begins anew.
    """
    generation = service.heads.last("keys").generation
    with service.db.connection() as conn:
        rows, after = read_changes(conn, request.next_index, FOLLOWED, request.limit)
    return Changes(tuple(map(_change, rows)), after, generation)


def _change(row: ChangeRow) -> Change:
    leaf = row.leaf
    return Change(
        leaf.event_id, kind_name(KeysEvent, leaf.kind), leaf.user_id, case_time(time_of(leaf)), row.epoch,
        leaf.digest,
    )  # fmt: skip
