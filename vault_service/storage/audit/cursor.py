"""Where the tree ends and which event was its last: one row, locked while it grows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import Connection

_LAST_UUID = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """The last event that was looked at, in the order in which events become leaves."""

    tx: int
    user: UUID
    event: UUID

    @classmethod
    def before(cls, tx: int) -> "Cursor":
        """Behind every event of smaller transaction ids, whatever ids somebody gave an event."""
        return cls(tx - 1, _LAST_UUID, _LAST_UUID)


@dataclass(frozen=True, slots=True)
class Tree:
    """The row, and the snapshot that it was read in."""

    size: int
    cursor: Cursor
    cluster: int  # whose transaction ids the cursor speaks of; 0 before the first turn
    system: int  # this cluster
    ended_below: int  # all transactions with smaller ids have ended, and what they committed is visible
    begun_below: int  # no transaction has an id as large as this yet


_TREE = """size, last_tx::text::bigint, last_user_id, last_event_id, cluster,
           (SELECT system_identifier FROM pg_control_system()),
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint"""


def lock_tree(conn: Connection) -> Tree:
    """The row, and nobody else's until this transaction ends."""
    row = conn.execute("SELECT " + _TREE + " FROM audit_tree FOR UPDATE").fetchone()
    assert row is not None, "the migration that made the table made its row"
    return _tree(row)


@dataclass(frozen=True, slots=True)
class Survey:
    """The tree at a moment."""

    tree: Tree
    now: datetime  # the database's clock, before the snapshot was taken
    waiting: bool  # whether a committed event may not be a leaf yet


def survey(conn: Connection) -> Survey:
    """One statement. now() is the transaction's start, and so before the snapshot."""
    row = conn.execute(
        "SELECT "
        + _TREE
        + """, now(), EXISTS (SELECT FROM audit_events e
             WHERE e.tx >= t.last_tx
               AND (e.tx, e.user_id, e.event_id) > (t.last_tx, t.last_user_id, t.last_event_id)
               AND e.tx < pg_snapshot_xmax(pg_current_snapshot()))
           FROM audit_tree t""",
        prepare=True,
    ).fetchone()
    assert row is not None, "the migration that made the table made its row"
    tree = _tree(row[:8])
    return Survey(tree, row[8], bool(row[9]) or tree.cluster != tree.system)


def move_tree(conn: Connection, *, size: int, cursor: Cursor, cluster: int) -> None:
    """Write the row; the caller has locked it."""
    conn.execute(
        """UPDATE audit_tree SET size = %(size)s, last_tx = %(tx)s::xid8, last_user_id = %(user)s,
                                 last_event_id = %(event)s, cluster = %(cluster)s""",
        {
            "size": size,
            "tx": str(cursor.tx),
            "user": cursor.user,
            "event": cursor.event,
            "cluster": cluster,
        },
    )


def _tree(row: tuple[object, ...]) -> Tree:
    size, tx, user, event, cluster, system, ended, begun = row
    return Tree(
        _number(size), Cursor(_number(tx), _uuid(user), _uuid(event)), _number(cluster), _number(system),
        _number(ended), _number(begun),
    )  # fmt: skip


def _number(value: object) -> int:
    assert isinstance(value, int), "bigint and NOT NULL"
    return value


def _uuid(value: object) -> UUID:
    assert isinstance(value, UUID), "uuid and NOT NULL"
    return value
