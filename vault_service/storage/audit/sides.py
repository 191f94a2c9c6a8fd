"""The one difference between the two logs that SQL sees: which columns an event has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.leaves import KeysLeaf, Leaf, RecordsLeaf
from vault_service.domain.logs import LogName


@dataclass(frozen=True, slots=True)
class Events:
    """One side's audit_events: its columns are the leaf's fields, in their order."""

    log: LogName
    columns: LiteralString
    leaf: Callable[..., Leaf]
    restored: int  # the kind of event that says that the log goes on from a restored backup


EVENTS: dict[LogName, Events] = {
    "keys": Events(
        "keys",
        "e.user_id, e.event_id, e.kind, e.at, e.app_id, e.unlock_id, e.epoch, e.login_index, e.digest",
        KeysLeaf,
        int(KeysEvent.LOG_RESTORED),
    ),
    "records": Events(
        "records",
        "e.user_id, e.event_id, e.kind, e.at, e.app_id, e.session_id, e.unlock_id, e.record_id, e.n,"
        " e.digest",
        RecordsLeaf,
        int(RecordsEvent.LOG_RESTORED),
    ),
}
