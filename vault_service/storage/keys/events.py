"""The keys trail: events are written in the transaction of what they record."""

from collections.abc import Sequence
from datetime import UTC, datetime

from psycopg import Connection

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import NOBODY, AppId, CaseId, EventId, OfficerId, UnlockId, UserId, new_uuid
from vault_service.storage.pool import Database

_ENDS = (
    KeysEvent.CASE_CANCELLED, KeysEvent.CASE_VETOED, KeysEvent.CASE_EXPIRED, KeysEvent.ACCESS_REGAINED,
    KeysEvent.DATA_DISCLOSED, KeysEvent.ERASED_BY_OFFICERS, KeysEvent.DRILL_PASSED, KeysEvent.DRILL_FAILED,
    KeysEvent.ESCROW_KEY_CREATED, KeysEvent.MANIFEST_SIGNED, KeysEvent.ROTATION_FINISHED,
)  # fmt: skip
"""After one of these about a case nothing more happens to it."""

TELL_THE_EPOCH = (
    KeysEvent.PASSWORD_CHANGED, KeysEvent.ONE_TIME_PASSWORD_REISSUED, KeysEvent.RECOVERY_CODE_USED,
    KeysEvent.DATA_KEY_ADDED, KeysEvent.ACCESS_REGAINED, KeysEvent.REGAIN_COMPLETED,
)  # fmt: skip
"""Each in the transaction that makes a new credential, with its epoch: one more than before, but for the last
kind, which stands for regains of before they told theirs. Written out below as numbers: only then does the
planner know that the index of these kinds will do (migration 0010)."""


def insert_event(
    conn: Connection,
    kind: KeysEvent,
    at: datetime,
    *,
    user: UserId = NOBODY,
    app: AppId | None = None,
    unlock: UnlockId | None = None,
    epoch: int | None = None,
    login_index: bytes | None = None,
    digest: bytes | None = None,
    case: CaseId | None = None,
    officer: OfficerId | None = None,
) -> EventId:
    """Append one event: ids and HMACs only, never personal data, addresses or free text."""
    event = EventId(new_uuid())
    if app is None and unlock is None and epoch is None and login_index is None:
        _insert_recovery_event(conn, event, kind, at, user, digest, case, officer)
        return event
    if officer is not None or (case is not None and (app, unlock, login_index) != (None, None, None)):
        raise TypeError("an event about an officer has no other columns than a digest, of a case an epoch")
    conn.execute(
        """INSERT INTO audit_events
             (user_id, event_id, kind, at, app_id, unlock_id, epoch, login_index, digest, case_id)
           VALUES (%(user)s, %(event)s, %(kind)s, %(at)s, %(app)s, %(unlock)s, %(epoch)s,
                   %(index)s, %(digest)s, %(case)s)""",
        {
            "user": user,
            "event": event,
            "kind": int(kind),
            "at": at,
            "app": app,
            "unlock": unlock,
            "epoch": epoch,
            "index": login_index,
            "digest": digest,
            "case": case,
        },
        prepare=True,
    )
    return event


def _insert_recovery_event(
    conn: Connection,
    event: EventId,
    kind: KeysEvent,
    at: datetime,
    user: UserId,
    digest: bytes | None,
    case: CaseId | None,
    officer: OfficerId | None,
) -> None:
    """With the columns alone that officers' and ceremonies' roles may write."""
    conn.execute(
        """INSERT INTO audit_events (user_id, event_id, kind, at, digest, case_id, officer_id)
           VALUES (%(user)s, %(event)s, %(kind)s, %(at)s, %(digest)s, %(case)s, %(officer)s)""",
        {
            "user": user,
            "event": event,
            "kind": int(kind),
            "at": at,
            "digest": digest,
            "case": case,
            "officer": officer,
        },
    )


def insert_digests(conn: Connection, kind: KeysEvent, at: datetime, digests: Sequence[bytes]) -> None:
    """Append the same event for each of several digests, in one statement."""
    conn.execute(
        """INSERT INTO audit_events (user_id, event_id, kind, at, digest)
           SELECT %(nobody)s, o.event_id, %(kind)s, %(at)s, o.digest
           FROM unnest(%(events)s::uuid[], %(digests)s::bytea[]) AS o (event_id, digest)""",
        {
            "nobody": NOBODY,
            "kind": int(kind),
            "at": at,
            "events": [new_uuid() for _ in digests],
            "digests": list(digests),
        },
    )


class _Undo(Exception):  # noqa: N818  # not an error: how a transaction is taken back
    pass


def check_writable(db: Database) -> None:
    """Write an event and take it back: shows that the trail can be written, and leaves no trace.

    Raises DatabaseUnavailableError.
    """
    try:
        with db.transaction() as conn:
            insert_event(conn, KeysEvent.UNLOCKED, datetime.now(UTC))
            raise _Undo
    except _Undo:
        return


def was_unlocked(conn: Connection, user: UserId, unlock: UnlockId, epoch: int) -> bool:
    """Whether this trail knows an unlock as this user's, with the credential of this epoch.

    From the newest event on: a session's unlock is among the last of a user's, who may have a million.
    """
    row = conn.execute(
        # Of a CASE the planner expects that half of the rows meet it: so it begins at the newest and stops.
        # Of equal ids it expects one row at the most, and may read and sort all of the user's to find it.
        """SELECT 1 FROM audit_events WHERE user_id = %(user)s
             AND CASE WHEN kind = %(kind)s AND unlock_id = %(unlock)s THEN epoch = %(epoch)s ELSE false END
           ORDER BY event_id DESC LIMIT 1""",
        {"user": user, "kind": int(KeysEvent.UNLOCKED), "unlock": unlock, "epoch": epoch},
    ).fetchone()
    return row is not None


def has_ended(conn: Connection, case: CaseId) -> bool:
    """Whether this trail knows of the end of a case, whatever the case's own row says."""
    row = conn.execute(
        "SELECT 1 FROM audit_events WHERE case_id = %(case)s AND kind = ANY(%(ends)s) LIMIT 1",
        {"case": case, "ends": [int(kind) for kind in _ENDS]},
    ).fetchone()
    return row is not None


def was_put_back(conn: Connection, user: UserId) -> bool:
    """Whether a user's credential is of an epoch that this trail knows to be over.

    One statement, which sees a new credential and its event together or neither. The highest epoch, and not
    how many there were: whom officers have given access again since is at one that was there before.
    """
    row = conn.execute(
        """SELECT 1 FROM credentials c WHERE c.user_id = %(user)s AND c.epoch < (
             SELECT max(e.epoch) FROM audit_events e
             WHERE e.user_id = %(user)s AND e.kind IN (6, 12, 57, 58, 69, 92))""",
        {"user": user},
    ).fetchone()
    return row is not None


def is_told(conn: Connection, user: UserId, epoch: int) -> bool:
    """Whether this trail knows of a credential of the user that is of this epoch or a later one."""
    row = conn.execute(
        """SELECT max(epoch) >= %(epoch)s FROM audit_events
           WHERE user_id = %(user)s AND kind IN (6, 12, 57, 58, 69, 92)""",
        {"user": user, "epoch": epoch},
    ).fetchone()
    return row is not None and bool(row[0])


def was_opened(conn: Connection, case: CaseId, digest: bytes) -> bool:
    """Whether this trail knows the opening of a case with this hash; no officer's process can write that."""
    row = conn.execute(
        """SELECT 1 FROM audit_events
           WHERE case_id = %(case)s AND kind = %(kind)s AND digest = %(digest)s LIMIT 1""",
        {"case": case, "kind": int(KeysEvent.CASE_OPENED), "digest": digest},
    ).fetchone()
    return row is not None
