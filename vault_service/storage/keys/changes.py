"""What the records side must follow: a few kinds of events, in the order of the keys log."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Connection

from vault_service.domain.events import KeysEvent
from vault_service.domain.leaves import KeysLeaf
from vault_service.storage.audit.reading import leaf_count
from vault_service.storage.audit.sides import EVENTS

# Each event is looked up by itself (LATERAL … LIMIT), after its leaf: a plan for an unknown part of the log
# would read all events. The leaves of one page bound the work, however rare what is sought for is. How far
# the page goes is told in the same statement: a second one would see leaves that this one did not look at.
_PAGE: LiteralString = (
    """WITH page AS MATERIALIZED (
         SELECT leaf_index, user_id, event_id FROM audit_leaves
         WHERE leaf_index >= %(first)s ORDER BY leaf_index LIMIT 2000),
       found AS (
         SELECT p.leaf_index, u.epoch AS present, """
    + EVENTS["keys"].columns
    + """ FROM page p CROSS JOIN LATERAL (
            SELECT * FROM audit_events WHERE user_id = p.user_id AND event_id = p.event_id LIMIT 1) e
          LEFT JOIN users u ON u.user_id = e.user_id
          WHERE e.kind = ANY(%(kinds)s) ORDER BY p.leaf_index LIMIT %(limit)s)
       SELECT (SELECT max(leaf_index) FROM page), found.*
       FROM (SELECT) AS one LEFT JOIN found ON true ORDER BY found.leaf_index"""
)


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One event, and the epoch that its user has now; None: there is no such user (any more)."""

    leaf: KeysLeaf
    epoch: int | None


def read_changes(
    conn: Connection, first: int, kinds: Iterable[KeysEvent], limit: int
) -> tuple[tuple[ChangeRow, ...], int]:
    """Events of these kinds from leaf `first` on, and from which leaf to go on.

    That is less than `first` where the log does not reach so far: it is another one.
    """
    rows = conn.execute(
        _PAGE, {"first": first, "kinds": [int(kind) for kind in kinds], "limit": limit}, prepare=True
    ).fetchall()
    end = rows[0][0]
    found = [row[1:] for row in rows if row[1] is not None]
    if end is None:
        return (), min(first, leaf_count(conn))
    after = found[-1][0] if len(found) == limit else end
    return tuple(ChangeRow(_leaf(*row[2:]), row[1]) for row in found), after + 1


def _leaf(*columns: object) -> KeysLeaf:
    leaf = EVENTS["keys"].leaf(*columns)
    assert isinstance(leaf, KeysLeaf), "it is of the keys side"
    return leaf
