"""Destroy a user's wraps, and tell whose were destroyed: the trail outlives the user."""

from collections.abc import Sequence

from psycopg import Connection

from vault_service.domain.events import KeysEvent
from vault_service.domain.ids import CredentialId, UserId


def find_existing(conn: Connection, users: Sequence[str]) -> tuple[UserId, ...]:
    """Which of the users with these ids there are; as text, since there may be very many."""
    rows = conn.execute(
        "SELECT user_id FROM users WHERE user_id = ANY(%(users)s::uuid[])", {"users": list(users)}
    )
    return tuple(UserId(row[0]) for row in rows)


def was_erased(conn: Connection, user: UserId) -> bool:
    """Whether there was a user of this id; the trail outlives the user.

    From the newest event on: next to nothing follows an erasure, and a million events may be before it.
    """
    row = conn.execute(
        """SELECT 1 FROM audit_events WHERE user_id = %(user)s AND kind = ANY(%(erased)s::int[])
           ORDER BY event_id DESC LIMIT 1""",
        {"user": user, "erased": [int(KeysEvent.USER_ERASED), int(KeysEvent.ERASED_BY_OFFICERS)]},
        prepare=True,
    ).fetchone()
    return row is not None


def delete_recovery_code(conn: Connection, user: UserId) -> None:
    """The user's, where there is one."""
    conn.execute("DELETE FROM recovery_codes WHERE user_id = %(user)s", {"user": user})


def delete_user(conn: Connection, user: UserId, expected: CredentialId) -> bool:
    """Destroy every wrap of a user; False when the credential changed meanwhile."""
    values = {"user": user, "expected": expected}
    gone = conn.execute(
        "DELETE FROM credentials WHERE user_id = %(user)s AND credential_id = %(expected)s", values
    )
    if gone.rowcount == 0:
        return False
    delete_recovery_code(conn, user)
    conn.execute("DELETE FROM data_key_demands WHERE user_id = %(user)s", values)
    conn.execute("DELETE FROM escrow_wraps WHERE user_id = %(user)s", values)
    conn.execute("DELETE FROM deks WHERE user_id = %(user)s", values)
    conn.execute(
        "DELETE FROM logins WHERE login_index = (SELECT login_index FROM users WHERE user_id = %(user)s)",
        values,
    )
    conn.execute("DELETE FROM users WHERE user_id = %(user)s", values)
    return True
