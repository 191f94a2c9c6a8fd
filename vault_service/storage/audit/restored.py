"""The event that says for ever that a log goes on from a restored backup."""

from datetime import datetime

from psycopg import Connection

from vault_service.domain.events import RecordsEvent
from vault_service.domain.ids import NOBODY, new_uuid
from vault_service.storage.audit.cursor import lock_tree
from vault_service.storage.audit.sides import EVENTS
from vault_service.storage.roles import Side


def is_restore_sealed(conn: Connection, side: Side, since: int) -> bool:
    """Whether the log says so itself, in a leaf from index `since` on."""
    row = conn.execute(
        """SELECT EXISTS (SELECT FROM audit_leaves l JOIN audit_events e USING (user_id, event_id)
                          WHERE l.leaf_index >= %(since)s AND e.kind = %(kind)s)""",
        {"since": since, "kind": int(EVENTS[side].restored)},
    ).fetchone()
    return row is not None and bool(row[0])


def record_restore(conn: Connection, digest: bytes | None, at: datetime) -> None:
    """Write it into the records trail, once for each head that was given up (SHA-256 of its body).

    Under the tree's lock: two workers at once write one event.
    """
    lock_tree(conn)
    conn.execute(
        """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
           SELECT %(nobody)s, %(event)s, %(kind)s, %(at)s, %(digest)s::bytea
           WHERE NOT EXISTS (SELECT FROM audit_events
                             WHERE user_id = %(nobody)s AND kind = %(kind)s
                               AND digest IS NOT DISTINCT FROM %(digest)s::bytea)""",
        {
            "nobody": NOBODY,
            "event": new_uuid(),
            "kind": int(RecordsEvent.LOG_RESTORED),
            "at": at,
            "digest": digest,
        },
    )
