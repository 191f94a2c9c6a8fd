"""Moving users to the current generation of the login index: all of a user's rows, or none of them.

Every outer layer is bound to the login index of its user, so one that stayed behind would never open again.
In one transaction:

1. the credentials are locked, as everybody does first who writes a user's wraps, then all other rows. Whoever
   is being signed in or changed just now is passed by: nobody waits for anybody here, the next sweep comes;
2. what is locked must be what the new wraps were made from, wrap for wrap: one that is new, gone or changed
   leaves its user where they are;
3. the login's new row comes first, since somebody else's may stand in its place;
4. the failures in a row go on under the new index (guesses.py).
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

from psycopg import Connection

from vault_service.domain.ids import UserId
from vault_service.storage.keys.rewraps import Key, NewWrap, Place, replace_wraps

Stored = tuple[Place, Key, bytes]
"""A wrap as it stands in its row."""


class LoginMove(NamedTuple):
    """One user on the way to another index."""

    user: UserId
    old_index: bytes
    new_index: bytes
    found: frozenset[Stored]  # every wrap there is of the user
    wraps: tuple[NewWrap, ...]
    guesses: tuple[tuple[bytes, bytes], ...]  # from what they are counted under to what

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"LoginMove({self.user})"


_LOCKED: dict[Place, LiteralString] = {
    "credential": """SELECT user_id, wrap FROM credentials WHERE user_id = ANY(%(users)s::uuid[])
      ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED""",
    "credential's regain key": """SELECT user_id, regain_key FROM credentials
      WHERE user_id = ANY(%(users)s::uuid[]) AND regain_key IS NOT NULL""",
    "login": """SELECT user_id, sealed_login FROM users WHERE user_id = ANY(%(users)s::uuid[])
      ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED""",
    "code": """SELECT user_id, wrap FROM recovery_codes WHERE user_id = ANY(%(users)s::uuid[])
      ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED""",
    "escrow": """SELECT user_id, wrap, user_id, dek_id, escrow_gen FROM escrow_wraps
      WHERE user_id = ANY(%(users)s::uuid[]) ORDER BY user_id FOR NO KEY UPDATE SKIP LOCKED""",
    "case's regain key": """SELECT c.user_id, k.wrap, k.case_id
      FROM regain_keys k JOIN cases c USING (case_id) WHERE c.user_id = ANY(%(users)s::uuid[])
      ORDER BY k.case_id FOR NO KEY UPDATE OF k SKIP LOCKED""",
}


def leads_to(conn: Connection, indexes: Sequence[bytes]) -> dict[bytes, UserId]:
    """Whom the rows of these indexes name."""
    rows = conn.execute(
        "SELECT login_index, user_id FROM logins WHERE login_index = ANY(%(indexes)s::bytea[])",
        {"indexes": list(indexes)},
    )
    return {row[0]: UserId(row[1]) for row in rows}


def move_logins(
    conn: Connection, moves: Sequence[LoginMove], *, index_gen: int, pepper_gen: int, now: datetime
) -> int:
    """Move those who are as they were found; how many wraps that rewrote."""
    locked = _lock(conn, [move.user for move in moves])
    same = [move for move in moves if locked.get(move.user) == move.found]
    moving = _insert_logins(conn, same, index_gen)
    if not moving:
        return 0
    done = replace_wraps(conn, [wrap for move in moving for wrap in move.wraps], pepper_gen=pepper_gen)
    if done != sum(len(move.wraps) for move in moving):
        raise AssertionError("a locked wrap has changed")  # the transaction is taken back
    values: dict[str, object] = {
        "users": [move.user for move in moving],
        "old": [move.old_index for move in moving],
        "new": [move.new_index for move in moving],
        "gen": index_gen,
    }
    conn.execute(
        """UPDATE users t SET login_index = n.new, login_index_gen = %(gen)s
           FROM unnest(%(users)s::uuid[], %(new)s::bytea[]) AS n (id, new) WHERE t.user_id = n.id""",
        values,
    )
    conn.execute(
        """DELETE FROM logins t USING unnest(%(users)s::uuid[], %(old)s::bytea[]) AS n (id, old)
           WHERE t.login_index = n.old AND t.user_id = n.id""",
        values,
    )
    _carry_guesses(conn, moving, now)
    return done


def _lock(conn: Connection, users: Sequence[UserId]) -> dict[UserId, frozenset[Stored]]:
    found: dict[UserId, set[Stored]] = defaultdict(set)
    for place, statement in _LOCKED.items():
        wanted = users if place == "credential" else list(found)
        for user, wrap, *key in conn.execute(statement, {"users": list(wanted)}):
            found[UserId(user)].add((place, tuple(key or [user]), wrap))
    return {user: frozenset(wraps) for user, wraps in found.items()}


def _insert_logins(conn: Connection, moves: Sequence[LoginMove], index_gen: int) -> list[LoginMove]:
    """Those whose login is theirs under the new index too."""
    conn.execute(
        """INSERT INTO logins (login_index, login_index_gen, user_id)
           SELECT n.new, %(gen)s, n.id FROM unnest(%(users)s::uuid[], %(new)s::bytea[]) AS n (id, new)
           ON CONFLICT DO NOTHING""",
        {
            "users": [move.user for move in moves],
            "new": [move.new_index for move in moves],
            "gen": index_gen,
        },
    )
    leads = leads_to(conn, [move.new_index for move in moves])
    return [move for move in moves if leads.get(move.new_index) == move.user]


def _carry_guesses(conn: Connection, moves: Sequence[LoginMove], now: datetime) -> None:
    """What was counted under both already counts once."""
    pairs = [pair for move in moves for pair in move.guesses]
    conn.execute(
        """INSERT INTO guesses AS g (login_index, failures, carried, not_before, updated_at)
           SELECT n.new, 0, o.failures + o.carried, %(now)s, %(now)s
           FROM unnest(%(old)s::bytea[], %(new)s::bytea[]) AS n (old, new)
           JOIN guesses o ON o.login_index = n.old
           WHERE o.failures + o.carried > 0
           ON CONFLICT (login_index) DO UPDATE
             SET carried = greatest(g.carried, excluded.carried - g.failures)""",
        {"old": [old for old, _ in pairs], "new": [new for _, new in pairs], "now": now},
    )
