"""Which generations of the pepper, the login index and the escrow key something may be made with.

Whatever is made with one refers to its row: while a transaction writes such a wrap, the row cannot go, and
once it has gone, no such wrap can be written. So the database itself counts, under a lock, before a
generation is given up; see migrations/0005_rotation.sql.
"""

from collections.abc import Iterable
from typing import LiteralString

from psycopg import Connection, errors

from vault_service.domain.manifest import Keys
from vault_service.domain.rotation import KeyKind
from vault_service.domain.rotation_errors import GenerationNeededError
from vault_service.storage.patience import patient

_TABLES: dict[str, tuple[LiteralString, LiteralString]] = {
    "pepper": (
        "INSERT INTO pepper_generations (gen) SELECT unnest(%(gens)s::integer[]) ON CONFLICT DO NOTHING",
        "DELETE FROM pepper_generations WHERE gen <> ALL (%(gens)s::integer[])",
    ),
    "login_index": (
        "INSERT INTO login_index_generations (gen) SELECT unnest(%(gens)s::integer[]) ON CONFLICT DO NOTHING",
        "DELETE FROM login_index_generations WHERE gen <> ALL (%(gens)s::integer[])",
    ),
    "escrow": (
        "INSERT INTO escrow_generations (gen) SELECT unnest(%(gens)s::integer[]) ON CONFLICT DO NOTHING",
        "DELETE FROM escrow_generations WHERE gen <> ALL (%(gens)s::integer[])",
    ),
}


LOOK_AT_ALL_S = 600
"""Seconds for a statement that looks at every user's rows: a few for 10^6 of them."""


def one_change_at_a_time(conn: Connection) -> None:
    """No other key service makes or gives up a generation until the end of the transaction.

    Else two of them would make a key under one label in the token, and the manifest would name the one that
    is gone. Raises DatabaseUnavailableError when another one takes too long.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('generations', 0))")


_GIVE_UP: dict[KeyKind, LiteralString] = {
    "pepper": "DELETE FROM pepper_generations WHERE gen = %(gen)s",
    "login-index": "DELETE FROM login_index_generations WHERE gen = %(gen)s",
    "escrow": "DELETE FROM escrow_generations WHERE gen = %(gen)s",
}


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
    for member, (insert, delete) in _TABLES.items():
        gens = list(_live(getattr(keys, member)))
        if member == "login_index":
            _let_new_logins_end(conn, gens)
        conn.execute(insert, {"gens": gens})
        try:
            with patient(conn, LOOK_AT_ALL_S):
                conn.execute(delete, {"gens": gens})
        except errors.ForeignKeyViolation:
            raise GenerationNeededError(f"wraps still need an older {member.replace('_', '-')} key") from None


def _let_new_logins_end(conn: Connection, gens: list[int]) -> None:
    """Where a generation is added: wait for whoever is giving a login to somebody just now.

    They have not computed its index under the new one, and so would not find who takes it there meanwhile
    (logins.py). Each has a lock of the foreign key on this table until the end of its transaction.
    """
    row = conn.execute(
        """SELECT 1 FROM unnest(%(gens)s::integer[]) g(gen)
           WHERE gen NOT IN (SELECT gen FROM login_index_generations)""",
        {"gens": gens},
    ).fetchone()
    if row is not None:
        conn.execute("LOCK TABLE login_index_generations IN EXCLUSIVE MODE")


def _live(keys: Iterable[object]) -> Iterable[int]:
    for key in keys:
        if getattr(key, "state") != "destroyed":  # noqa: B009  # of two kinds of structs
            yield getattr(key, "gen")  # noqa: B009  # likewise
