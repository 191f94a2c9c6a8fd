"""Events of the keys log that officers would leave, and leaves of them, without officers or a sealer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from tests.rig.postgres import TestDatabase
from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import new_uuid


def plant(
    keys: TestDatabase,
    kind: KeysEvent,
    user: UUID,
    *,
    digest: bytes | None = None,
    at: datetime | None = None,
) -> UUID:
    """An event as the key service writes it. Returns its id."""
    event = new_uuid()
    with keys.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
               VALUES (%s, %s, %s, coalesce(%s, now()), %s)""",
            (user, event, int(kind), at, digest),
        )
    return event


def make_leaves(keys: TestDatabase) -> None:
    """Leaves in the order of commits, as the sealer does, but nothing of the tree."""
    with keys.superuser() as conn:
        conn.execute(
            """INSERT INTO audit_leaves (leaf_index, user_id, event_id)
               SELECT coalesce((SELECT max(leaf_index) FROM audit_leaves), -1)
                        + row_number() OVER (ORDER BY e.tx, e.event_id), e.user_id, e.event_id
               FROM audit_events e
               WHERE NOT EXISTS (SELECT FROM audit_leaves l WHERE l.user_id = e.user_id
                                   AND l.event_id = e.event_id)"""
        )


@contextmanager
def with_leaves(keys: TestDatabase) -> Iterator[None]:
    """The same for a while: a vault that others use must stay one whose log is not sealed."""
    make_leaves(keys)
    try:
        yield
    finally:
        with keys.superuser() as conn, conn.transaction():
            conn.execute("ALTER TABLE audit_leaves DISABLE TRIGGER USER")
            conn.execute("DELETE FROM audit_leaves")
            conn.execute("ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER append_only")
            conn.execute("ALTER TABLE audit_leaves ENABLE ALWAYS TRIGGER no_truncate")
