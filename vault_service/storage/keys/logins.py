"""Logins: that none is given twice, and moving a user to another one with every outer layer.

A login has another index under each generation of its key, so no primary key tells two of them apart while
two generations are live. In the transaction that gives a login to somebody:

1. the login is locked by all its live indexes, so that two who want it come one after the other;
2. the row is inserted, which refers to its generation;
3. a further statement looks for a row under another index, and for a generation whose index the caller has
   not computed. A new generation waits for whoever is between 2 and the end (generations.py), and whoever
   comes to 2 after it sees it in 3.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from psycopg import Connection

from vault_service.domain.errors import ConcurrentChangeError, LoginTakenError
from vault_service.domain.ids import CredentialId, DekId, UserId
from vault_service.domain.rotation_errors import ManifestBehindError
from vault_service.storage.keys.recovery_codes import CodeRow, move_code
from vault_service.storage.keys.users import (
    CredentialRow,
    EscrowRow,
    LoginRow,
    hold_credential,
    replace_credential,
)


def list_generations(conn: Connection) -> frozenset[int]:
    """Those that a login's index may be under, as the database has it now."""
    rows = conn.execute("SELECT gen FROM login_index_generations", prepare=True)
    return frozenset(row[0] for row in rows)


def look_around(conn: Connection, indexes: Sequence[bytes]) -> tuple[frozenset[int], bool]:
    """The same, and whether a decoy about the login of these indexes is under way (domain/case.py)."""
    row = conn.execute(
        """SELECT array_agg(gen), EXISTS (
             SELECT 1 FROM cases WHERE login_index = ANY(%(indexes)s::bytea[]) AND decoy
               AND state IN ('open', 'executing'))
           FROM login_index_generations""",
        {"indexes": list(indexes)},
        prepare=True,
    ).fetchone()
    return (frozenset(row[0] or ()), row[1]) if row else (frozenset(), False)


def lock_login_name(conn: Connection, indexes: Sequence[bytes]) -> None:
    """Nobody else gives this login to somebody until the end of the transaction.

    With one live generation the primary key does this alone.
    """
    if len(indexes) == 1:
        return
    for index in sorted(indexes):
        conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('login/' || encode(%(index)s, 'hex'), 0))",
            {"index": index},
        )


def demand_only_login(
    conn: Connection, index: bytes, *, among: Collection[bytes], gens: Collection[int]
) -> None:
    """After the row of `index` was inserted: none of the login's other indexes leads to anybody.

    `gens`: those that made the indexes `among`. Raises LoginTakenError, and ManifestBehindError when there is
    a generation that is none of them; the caller takes back the transaction.
    """
    if not list_generations(conn) <= set(gens):
        raise ManifestBehindError("a newer login index key")
    others = [other for other in among if other != index]
    if not others:
        return
    row = conn.execute(
        "SELECT 1 FROM logins WHERE login_index = ANY(%(others)s::bytea[]) LIMIT 1", {"others": others}
    ).fetchone()
    if row is not None:
        raise LoginTakenError


def has_login(conn: Connection, user: UserId, login_index: bytes) -> bool:
    """Whether this is the user's index (still). Until the end of the transaction, if the caller holds a lock
    on the user's credential: whoever moves a user takes that first."""
    row = conn.execute(
        "SELECT 1 FROM users WHERE user_id = %(user)s AND login_index = %(index)s",
        {"user": user, "index": login_index},
    ).fetchone()
    return row is not None


def replace_login(
    conn: Connection,
    user: UserId,
    expected: CredentialId,
    *,
    old_index: bytes,
    login: LoginRow,
    credential: CredentialRow,
    dek: DekId,
    escrow: EscrowRow,
    code: CodeRow | None,
    new_code: CodeRow | None,
    among: Collection[bytes],
    gens: Collection[int],
    now: datetime,
) -> bool | None:
    """Move a user to another login with all outer layers; True done, False taken, None changed meanwhile.

    `among`, `gens`: all live indexes of the new login, and the generations that made them. Raises
    LoginTakenError and ManifestBehindError as `demand_only_login`, ConcurrentChangeError when the escrow wrap
    was replaced meanwhile; then all is to be taken back.
    `code`: the recovery code that was found; `new_code`: the same for the new login.
    """
    taken = conn.execute(
        """INSERT INTO logins (login_index, login_index_gen, user_id) VALUES (%(index)s, %(gen)s, %(user)s)
           ON CONFLICT DO NOTHING""",
        {"index": login.index, "gen": login.index_gen, "user": user},
    )
    if taken.rowcount == 0:
        return False
    demand_only_login(conn, login.index, among=among, gens=gens)
    held = (
        hold_credential(conn, user, expected)
        and has_login(conn, user, old_index)  # a rotation of the index may have moved the user
        and _hold_escrow(conn, user, dek, escrow.escrow_gen)
        and move_code(conn, user, code, new_code)
    )
    if not held:
        conn.execute("DELETE FROM logins WHERE login_index = %(index)s", {"index": login.index})
        return None
    conn.execute("DELETE FROM logins WHERE login_index = %(index)s", {"index": old_index})
    conn.execute(
        """UPDATE users SET login_index = %(index)s, login_index_gen = %(gen)s, pepper_gen = %(pepper)s,
             sealed_login = %(sealed)s WHERE user_id = %(user)s""",
        {
            "user": user,
            "index": login.index,
            "gen": login.index_gen,
            "pepper": login.pepper_gen,
            "sealed": login.sealed,
        },
    )
    replace_credential(conn, user, expected, credential, now)  # held above, and bound to what stands since
    moved = conn.execute(
        """UPDATE escrow_wraps SET wrap = %(wrap)s, pepper_gen = %(pepper)s
           WHERE user_id = %(user)s AND dek_id = %(dek)s AND escrow_gen = %(gen)s""",
        {
            "user": user,
            "dek": dek,
            "gen": escrow.escrow_gen,
            "pepper": escrow.pepper_gen,
            "wrap": escrow.wrap,
        },
    )
    if moved.rowcount == 0:  # it is sealed to another escrow key by now, and still bound to the old login
        raise ConcurrentChangeError
    return True


def _hold_escrow(conn: Connection, user: UserId, dek: DekId, gen: int) -> bool:
    """Lock the escrow wrap; False when a ceremony sealed it to another escrow key meanwhile.

    What it left is bound to the login that is about to go, and would open for nobody under the new one.
    """
    row = conn.execute(
        """SELECT 1 FROM escrow_wraps
           WHERE user_id = %(user)s AND dek_id = %(dek)s AND escrow_gen = %(gen)s FOR UPDATE""",
        {"user": user, "dek": dek, "gen": gen},
    ).fetchone()
    return row is not None
