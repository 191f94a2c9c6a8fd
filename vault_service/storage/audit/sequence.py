"""Committed events become leaves: each once, in the order of their transactions, whoever works at once.

The rules:

- The tree's one row is locked first; leaves, tiles and the row change in that transaction or not at all.
- Taken are events after the row's cursor whose transaction id is below the oldest that still runs. So
  none can be committed later behind the cursor: a writer that takes long holds up those after it.
- An event that has a leaf is passed over, and the table allows no second.
- Where the cluster is not the one whose transaction ids the cursor speaks of (dump and restore, an
  upgrade), ids begin anew and those of old events mean nothing. Then, once, all events without a leaf are
  looked for; the cursor starts at the oldest transaction that ran when the search began, and what
  the search took of younger ones is passed over later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any
from uuid import UUID

from psycopg import Connection

from vault_service.storage.audit.cursor import Cursor, Tree, lock_tree, move_tree
from vault_service.storage.audit.sides import EVENTS, Events
from vault_service.storage.audit.tiles import tile_reader, write_tiles
from vault_service.storage.pool import Database, repeatable
from vault_service.storage.roles import Side
from vault_service.tlog import tiles
from vault_service.tlog.merkle import leaf_hash

_PAGE = 200_000  # events that one statement of the search looks at: seconds, where it may take 30
_Row = tuple[Any, ...]  # an event's columns


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What one transaction did."""

    size: int  # of the tree by now
    added: int  # leaves
    ended_below: int | None  # events of all smaller transaction ids are leaves; None: more wait


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: Sequence[_Row]  # events without a leaf, in their order
    cursor: Cursor
    cluster: int
    ended_below: int | None


@repeatable
def sequence(db: Database, side: Side, limit: int) -> Sequenced:
    """Make up to `limit` events leaves, in one transaction.

    Raises DatabaseUnavailableError (nothing was done, or it shows next time), ProofError for a tree whose
    tiles are gone.
    """
    with db.transaction() as conn:
        tree = lock_tree(conn)
        batch = _next_batch(conn, EVENTS[side], tree, limit)
        size = _append(conn, EVENTS[side], tree.size, batch.rows) if batch.rows else tree.size
        if (size, batch.cursor, batch.cluster) != (tree.size, tree.cursor, tree.cluster):
            move_tree(conn, size=size, cursor=batch.cursor, cluster=batch.cluster)
    return Sequenced(size, len(batch.rows), batch.ended_below)


def _next_batch(conn: Connection, events: Events, tree: Tree, limit: int) -> _Batch:
    if tree.cluster == tree.system:
        return _after_cursor(conn, events, tree, limit)
    if tree.size == 0 and not _from_elsewhere(conn, tree):
        return _after_cursor(conn, events, tree, limit)  # a new log: its events' ids are this cluster's
    return _search(conn, events, tree, limit)


def _after_cursor(conn: Connection, events: Events, tree: Tree, limit: int) -> _Batch:
    rows = conn.execute(
        # Whether there is a leaf is asked row by row (LATERAL … LIMIT): a plan that reads all leaves would
        # make each turn slower than the last.
        "WITH batch AS MATERIALIZED (SELECT e.tx, " + events.names + """
             FROM audit_events e
             WHERE e.tx >= %(tx)s::xid8 AND e.tx < %(ended)s::xid8
               AND (e.tx, e.user_id, e.event_id) > (%(tx)s::xid8, %(user)s, %(event)s)
             ORDER BY e.tx, e.user_id, e.event_id LIMIT %(limit)s)
           SELECT e.tx::text::bigint, l.there IS NULL, """ + events.columns + """
           FROM batch e LEFT JOIN LATERAL (
             SELECT true AS there FROM audit_leaves l
             WHERE l.user_id = e.user_id AND l.event_id = e.event_id LIMIT 1) l ON true
           ORDER BY e.tx, e.user_id, e.event_id""",
        {
            "tx": str(tree.cursor.tx),
            "user": tree.cursor.user,
            "event": tree.cursor.event,
            "ended": str(tree.ended_below),
            "limit": limit,
        },
        prepare=True,
    ).fetchall()  # fmt: skip
    fresh = [row[2:] for row in rows if row[1]]
    if len(rows) == limit:
        last = rows[-1]
        return _Batch(fresh, Cursor(last[0], last[2], last[3]), tree.system, None)
    # Another worker may have come further while this one waited for the lock.
    cursor = max(tree.cursor, Cursor.before(tree.ended_below))
    return _Batch(fresh, cursor if rows else tree.cursor, tree.system, tree.ended_below)


def _from_elsewhere(conn: Connection, tree: Tree) -> bool:
    """Whether there are events with transaction ids that this cluster has not come to yet."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM audit_events WHERE tx >= %(begun)s::xid8)",
        {"begun": str(tree.begun_below)},
    ).fetchone()
    return row is not None and bool(row[0])


def _search(conn: Connection, events: Events, tree: Tree, limit: int) -> _Batch:
    """All events without a leaf, page by page through the primary key.

    Each page has a snapshot of its own, none older than the tree row's: whatever had ended by then is
    seen by all of them.
    """
    found: list[_Row] = []
    start = (UUID(int=0), UUID(int=0))
    while True:
        end = conn.execute(
            """SELECT user_id, event_id FROM audit_events WHERE (user_id, event_id) >= (%(user)s, %(event)s)
               ORDER BY user_id, event_id OFFSET %(page)s LIMIT 1""",
            {"user": start[0], "event": start[1], "page": _PAGE},
        ).fetchone()
        found += conn.execute(
            # A number of any size: a superuser may have written an id that is no bigint.
            "SELECT e.tx::text::numeric, " + events.columns + """ FROM audit_events e
               WHERE (e.user_id, e.event_id) >= (%(user)s, %(event)s)
                 AND (%(last)s OR (e.user_id, e.event_id) < (%(end_user)s, %(end_event)s))
                 AND NOT EXISTS (SELECT FROM audit_leaves l
                                 WHERE l.user_id = e.user_id AND l.event_id = e.event_id)
               ORDER BY e.user_id, e.event_id LIMIT %(limit)s""",
            {
                "user": start[0],
                "event": start[1],
                "last": end is None,
                "end_user": start[0] if end is None else end[0],
                "end_event": start[1] if end is None else end[1],
                "limit": limit - len(found),
            },
        ).fetchall()  # fmt: skip
        if end is None or len(found) == limit:
            break
        start = (end[0], end[1])
    rows = [row[1:] for row in sorted(found, key=itemgetter(0, 1, 2))]
    if len(found) == limit:
        return _Batch(rows, tree.cursor, tree.cluster, None)  # the next turn searches on
    return _Batch(rows, Cursor.before(tree.ended_below), tree.system, None)


def _append(conn: Connection, events: Events, size: int, rows: Sequence[_Row]) -> int:
    hashes = [leaf_hash(events.leaf(*row).encode()) for row in rows]
    new_size, changed = tiles.appended(tile_reader(conn), size, hashes)
    conn.execute(
        """INSERT INTO audit_leaves (leaf_index, user_id, event_id)
           SELECT %(size)s + o.n - 1, o.user_id, o.event_id
           FROM unnest(%(users)s::uuid[], %(events)s::uuid[]) WITH ORDINALITY AS o (user_id, event_id, n)""",
        {"size": size, "users": [row[0] for row in rows], "events": [row[1] for row in rows]},
    )
    write_tiles(conn, changed)
    return new_size
