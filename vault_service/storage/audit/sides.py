"""How a row of audit_events becomes a leaf, on either side: the one place that does it.

The two logs differ for SQL in their columns only. Whatever a superuser put into a row, it must make a leaf:
an event that cannot be read would keep all that come after it from being sealed and from being sent out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

from vault_service.domain.events import KeysEvent, RecordsEvent
from vault_service.domain.leaves import KeysLeaf, Leaf, RecordsLeaf
from vault_service.domain.logs import LogName

# A time that Python cannot hold (infinity, 4000 BC) comes as seconds since 1970, in digits that neither the
# session's time zone nor its DateStyle changes.
_AT: LiteralString = (
    "CASE WHEN e.at >= '0001-01-02T00:00Z' AND e.at < '9999-12-31T00:00Z' THEN e.at END, "
    "CASE WHEN e.at >= '0001-01-02T00:00Z' AND e.at < '9999-12-31T00:00Z' THEN NULL"
    " ELSE extract(epoch FROM e.at)::text END"
)


@dataclass(frozen=True, slots=True)
class Events:
    """One side's audit_events, which a statement calls `e`."""

    names: LiteralString  # its columns
    columns: LiteralString  # the same as `leaf` takes them
    leaf: Callable[..., Leaf]
    restored: int  # the kind of event that says that the log goes on from a restored backup


def _events(kind: type[KeysLeaf] | type[RecordsLeaf], more: LiteralString, restored: int) -> Events:
    first: LiteralString = "e.user_id, e.event_id, e.kind, "
    return Events(
        first + "e.at, " + more, first + _AT + ", " + more, partial(_leaf, kind), restored
    )  # fmt: skip


def _leaf(
    of: type[KeysLeaf] | type[RecordsLeaf], user: UUID, event: UUID, kind: int, at: datetime | None,
    at_text: str | None, *more: Any,
) -> Leaf:  # fmt: skip
    return of(user, event, kind, at_text or "" if at is None else at, *more)


EVENTS: dict[LogName, Events] = {
    "keys": _events(
        KeysLeaf,
        "e.app_id, e.unlock_id, e.epoch, e.login_index, e.digest, e.case_id, e.officer_id",
        int(KeysEvent.LOG_RESTORED),
    ),
    "records": _events(
        RecordsLeaf,
        "e.app_id, e.session_id, e.unlock_id, e.record_id, e.n, e.digest",
        int(RecordsEvent.LOG_RESTORED),
    ),
}
