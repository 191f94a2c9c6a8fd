"""The event that says for ever that a log goes on from a restored backup."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.storage.audit.cursor import lock_tree
from vault_service.storage.audit.sides import EVENTS
from vault_service.storage.roles import Side


def is_restore_sealed(conn: Connection, side: Side, since: int, given_up: Sequence[bytes]) -> bool:
    """Whether the log names each head that was given up in a leaf from index `since` on.

    `given_up`: SHA-256 of their bodies.
    """
    row = conn.execute(
        """SELECT count(DISTINCT e.digest) FROM audit_leaves l JOIN audit_events e USING (user_id, event_id)
           WHERE l.leaf_index >= %(since)s AND e.kind = %(kind)s AND e.digest = ANY(%(digests)s)""",
        {"since": since, "kind": int(EVENTS[side].restored), "digests": list(given_up)},
    ).fetchone()
    return row is not None and bool(row[0] == len(set(given_up)))


def is_restore_told(conn: Connection, since: int, given_up: Sequence[bytes]) -> bool:
    """The same of the keys log, and of events that are no leaves yet."""
    row = conn.execute(
        """SELECT count(DISTINCT e.digest) FROM audit_tree t JOIN audit_events e ON e.tx >= t.last_tx
           WHERE e.kind = %(kind)s AND e.digest = ANY(%(digests)s)""",
        {"kind": int(EVENTS["keys"].restored), "digests": list(given_up)},
    ).fetchone()
    waits = row is not None and bool(row[0] == len(set(given_up)))
    return waits or is_restore_sealed(conn, "keys", since, given_up)


def record_restore(conn: Connection, since: int, given_up: Sequence[bytes], at: datetime) -> None:
    """Name each head that was given up in the records trail, once behind the tree of size `since`.

    Under the tree's lock: two workers at once write one event.
    """
    lock_tree(conn)
    for digest in given_up:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
               SELECT %(nobody)s, %(event)s, %(kind)s, %(at)s, %(digest)s
               WHERE NOT EXISTS (SELECT FROM audit_events e LEFT JOIN audit_leaves l USING (user_id, event_id)
                                 WHERE e.user_id = %(nobody)s AND e.kind = %(kind)s AND e.digest = %(digest)s
                                   AND (l.leaf_index IS NULL OR l.leaf_index >= %(since)s))""",
            {
                "nobody": NOBODY,
                "event": new_uuid(),
                "kind": int(RecordsEvent.LOG_RESTORED),
                "at": at,
                "digest": digest,
                "since": since,
            },
        )
