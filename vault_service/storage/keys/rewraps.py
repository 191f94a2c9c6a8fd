"""Putting other outer layers on wraps: each by compare-and-set on its old bytes.

What somebody else wrote meanwhile stands, and a wrap that went stays gone.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import DekId, UserId

Place = Literal["credential", "credential's regain key", "login", "code", "escrow", "case's regain key"]
Key = tuple[UUID] | tuple[UserId, DekId, int]
"""Of the row: a user or a case; for an escrow wrap user, DEK and escrow generation."""


class NewWrap(NamedTuple):
    """What takes the place of a wrap."""

    place: Place
    key: Key
    old: bytes
    new: bytes

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"NewWrap({self.place})"


# In the order in which every other transaction locks a user's rows: the credential first.
_UPDATES: Mapping[Place, LiteralString] = {
    "credential": """UPDATE credentials t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(old)b::bytea[], %(new)b::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.wrap = n.old""",
    "credential's regain key": """UPDATE credentials t
      SET regain_key = n.new, regain_key_pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(old)b::bytea[], %(new)b::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.regain_key = n.old""",
    "login": """UPDATE users t SET sealed_login = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(old)b::bytea[], %(new)b::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.sealed_login = n.old""",
    "code": """UPDATE recovery_codes t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(old)b::bytea[], %(new)b::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.wrap = n.old""",
    "escrow": """UPDATE escrow_wraps t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(deks)b::uuid[], %(escrow_gens)b::integer[], %(old)b::bytea[],
                  %(new)b::bytea[]) AS n (id, dek, escrow_gen, old, new)
      WHERE t.user_id = n.id AND t.dek_id = n.dek AND t.escrow_gen = n.escrow_gen AND t.wrap = n.old""",
    "case's regain key": """UPDATE regain_keys t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)b::uuid[], %(old)b::bytea[], %(new)b::bytea[]) AS n (id, old, new)
      WHERE t.case_id = n.id AND t.wrap = n.old""",
}


def replace_wraps(conn: Connection, wraps: Sequence[NewWrap], *, pepper_gen: int) -> int:
    """Put all of them in their places that still hold the old bytes; how many that were."""
    _hold_credentials(conn, wraps)
    done = 0
    for place, statement in _UPDATES.items():
        # Two pages that meet, of whatever rotations, come to the rows in one order.
        here = sorted((each for each in wraps if each.place == place), key=_in_order)
        if not here:
            continue
        values: dict[str, object] = {
            "gen": pepper_gen,
            "keys": [each.key[0] for each in here],
            "old": [each.old for each in here],
            "new": [each.new for each in here],
        }
        if place == "escrow":
            values |= {
                "deks": [each.key[1] for each in here if len(each.key) == 3],
                "escrow_gens": [each.key[2] for each in here if len(each.key) == 3],
            }
        done += conn.execute(statement, values, prepare=True).rowcount
    return done


def _in_order(wrap: NewWrap) -> tuple[int, ...]:
    return tuple(part.int for part in wrap.key if isinstance(part, UUID))


def _hold_credentials(conn: Connection, wraps: Sequence[NewWrap]) -> None:
    """Of the users of whom other wraps are written, and not the credential.

    Others lock a user's code and the user's row in either order, but always the credential before.
    """
    locked = {each.key[0] for each in wraps if each.place in ("credential", "credential's regain key")}
    rest = {each.key[0] for each in wraps if each.place in ("login", "code", "escrow")} - locked
    if rest:
        conn.execute(
            """SELECT FROM credentials WHERE user_id = ANY(%(users)s::uuid[])
               ORDER BY user_id FOR NO KEY UPDATE""",
            {"users": list(rest)},
        )
