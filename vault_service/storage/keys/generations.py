"""Which generations of the pepper, the login index and the escrow key something may be made with.

Whatever is made with one refers to its row: while a transaction writes such a wrap, the row cannot go, and
once it has gone, no such wrap can be written. So the database itself counts, under a lock, before a
generation is given up; see migrations/0005_rotation.sql.
"""

from collections.abc import Iterable
from typing import LiteralString

from psycopg import Connection, errors

from vault_service.domain.manifest import Keys, PublicKeyGeneration, SecretKeyGeneration, State
from vault_service.domain.rotation import KeyKind, manifest_member
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.storage.patience import patient

_ADD: dict[KeyKind, LiteralString] = {
    "pepper": "INSERT INTO pepper_generations VALUES (%(gen)s) ON CONFLICT DO NOTHING",
    "login-index": "INSERT INTO login_index_generations VALUES (%(gen)s) ON CONFLICT DO NOTHING",
    "escrow": "INSERT INTO escrow_generations VALUES (%(gen)s) ON CONFLICT DO NOTHING",
}
_LIST: dict[KeyKind, LiteralString] = {
    "pepper": "SELECT gen FROM pepper_generations",
    "login-index": "SELECT gen FROM login_index_generations",
    "escrow": "SELECT gen FROM escrow_generations",
}
_GIVE_UP: dict[KeyKind, LiteralString] = {
    "pepper": "DELETE FROM pepper_generations WHERE gen = %(gen)s",
    "login-index": "DELETE FROM login_index_generations WHERE gen = %(gen)s",
    "escrow": "DELETE FROM escrow_generations WHERE gen = %(gen)s",
}

LOOK_AT_ALL_S = 600
"""Seconds for a statement that looks at every user's rows: a few for 10^6 of them."""


def one_change_at_a_time(conn: Connection) -> None:
    """No other key service makes or gives up a generation until the end of the transaction.

    Else two of them would make a key under one label in the token, and the manifest would name the one that
    is gone. Raises DatabaseUnavailableError when another one takes too long.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('generations', 0))")


def give_up_generation(conn: Connection, kind: KeyKind, gen: int) -> None:
    """Let nothing be written with it any more, if nothing in users' rows is. For other kinds: nothing to do.

    Raises GenerationNeededError.
    """
    statement = _GIVE_UP.get(kind)
    if statement is None:
        return
    try:
        with patient(conn, LOOK_AT_ALL_S):
            conn.execute(statement, {"gen": gen})
    except errors.ForeignKeyViolation:
        raise GenerationNeededError(f"wraps still need {kind} key {gen}") from None


def follow_manifest(conn: Connection, keys: Keys) -> None:
    """Let the tables say what a new manifest says; in the transaction that appends it.

    Raises GenerationNeededError when a wrap still needs a generation that the manifest calls destroyed.
    """
    for kind in _LIST:
        live = {gen for gen, state in _states(keys, kind) if state != "destroyed"}
        there = {gen for (gen,) in conn.execute(_LIST[kind])}
        if kind == "login-index" and live - there:
            _let_new_logins_end(conn)
        for gen in sorted(live - there):
            conn.execute(_ADD[kind], {"gen": gen})
        for gen in sorted(there - live):
            give_up_generation(conn, kind, gen)


def _let_new_logins_end(conn: Connection) -> None:
    """Before a generation is added: wait for whoever is giving a login to somebody just now.

    They have not computed its index under the new one, and so would not find who takes it there meanwhile
    (logins.py). Each has a lock of the foreign key on this table until the end of its transaction.
    """
    conn.execute("LOCK TABLE login_index_generations IN EXCLUSIVE MODE")


def _states(keys: Keys, kind: KeyKind) -> Iterable[tuple[int, State]]:
    found: tuple[PublicKeyGeneration | SecretKeyGeneration, ...] = getattr(keys, manifest_member(kind))
    return ((key.gen, key.state) for key in found)
