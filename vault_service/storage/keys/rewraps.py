"""Pages of users with everything that is under the pepper, and putting other outer layers on their wraps.

Reading locks nothing. Each wrap is written by compare-and-set on its old bytes: what somebody else wrote
meanwhile stands, and a wrap that went stays gone.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import CaseId, DekId, TenantId, UserId


class PepperedUser(NamedTuple):
    """One user's credential, sealed login and code; a part that somebody removed is None."""

    user: UserId
    tenant: TenantId
    login_index: bytes
    login_index_gen: int
    login_pepper_gen: int
    sealed_login: bytes
    dek: DekId | None
    epoch: int
    kdf: tuple[int, int, int]  # memory in KiB, iterations, lanes
    salt: bytes
    pepper_gen: int | None
    wrap: bytes
    regain_case: CaseId | None
    regain_case_hash: bytes
    regain_pk: bytes
    regain_key: bytes
    regain_key_pepper_gen: int | None
    code_pepper_gen: int | None
    code_wrap: bytes

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"PepperedUser({self.user})"


class PepperedEscrow(NamedTuple):
    """One escrow wrap of any of a user's DEKs, of any escrow generation."""

    user: UserId
    tenant: TenantId
    login_index: bytes
    login_index_gen: int
    dek: DekId
    escrow_gen: int
    pepper_gen: int
    wrap: bytes

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"PepperedEscrow({self.user})"


class PepperedRegainKey(NamedTuple):
    """The private key of a case; the login is the user's own, and None where the case is about nobody."""

    user: UserId
    case: CaseId
    kdf: tuple[int, int, int]
    salt: bytes
    pepper_gen: int
    wrap: bytes
    body: bytes
    case_login_index: bytes | None
    case_login_index_gen: int | None
    login_index: bytes | None
    login_index_gen: int | None

    def __repr__(self) -> str:
        """No wrap in a traceback."""
        return f"PepperedRegainKey({self.case})"


_USERS: LiteralString = """
  SELECT u.user_id, u.tenant_id, u.login_index, u.login_index_gen, u.pepper_gen, u.sealed_login,
         c.dek_id, c.epoch, c.kdf_memory_kib, c.kdf_iterations, c.kdf_lanes, c.salt, c.pepper_gen, c.wrap,
         c.regain_case, c.regain_case_hash, c.regain_pk, c.regain_key, c.regain_key_pepper_gen,
         r.pepper_gen, r.wrap
  FROM users u LEFT JOIN credentials c USING (user_id) LEFT JOIN recovery_codes r USING (user_id)
"""


def page_of_users(conn: Connection, after: UserId, upto: UserId, limit: int) -> tuple[PepperedUser, ...]:
    """The next users above `after`, at most `upto`, in order of their ids."""
    rows = conn.execute(
        _USERS + "WHERE u.user_id > %(after)s AND u.user_id <= %(upto)s ORDER BY u.user_id LIMIT %(limit)s",
        {"after": after, "upto": upto, "limit": limit},
        prepare=True,
    )
    return tuple(map(_user, rows))


def _user(row: tuple[object, ...]) -> PepperedUser:
    return PepperedUser._make((*row[:8], row[8:11], *row[11:]))


_ESCROW: LiteralString = """
  SELECT e.user_id, u.tenant_id, u.login_index, u.login_index_gen, e.dek_id, e.escrow_gen, e.pepper_gen,
         e.wrap
  FROM escrow_wraps e JOIN users u USING (user_id)
"""


def escrow_between(conn: Connection, after: UserId, upto: UserId) -> tuple[PepperedEscrow, ...]:
    """All of the users above `after` and up to `upto`."""
    rows = conn.execute(
        _ESCROW + "WHERE e.user_id > %(after)s AND e.user_id <= %(upto)s", {"after": after, "upto": upto},
        prepare=True,
    )  # fmt: skip
    return tuple(map(PepperedEscrow._make, rows))


_REGAIN_KEYS: LiteralString = """
  SELECT c.user_id, k.case_id, k.kdf_memory_kib, k.kdf_iterations, k.kdf_lanes, k.salt, k.pepper_gen, k.wrap,
         c.body, c.login_index, c.login_index_gen, u.login_index, u.login_index_gen
  FROM regain_keys k JOIN cases c USING (case_id) LEFT JOIN users u ON u.user_id = c.user_id
"""


def regain_keys_between(conn: Connection, after: UserId, upto: UserId) -> tuple[PepperedRegainKey, ...]:
    """Those of cases about the users between, who need not exist: a decoy's key is told from no other."""
    rows = conn.execute(
        _REGAIN_KEYS + "WHERE c.user_id > %(after)s AND c.user_id <= %(upto)s",
        {"after": after, "upto": upto},
        prepare=True,
    )
    return tuple(PepperedRegainKey._make((*row[:2], row[2:5], *row[5:])) for row in rows)


# --- writing


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
      FROM unnest(%(keys)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.wrap = n.old""",
    "credential's regain key": """UPDATE credentials t
      SET regain_key = n.new, regain_key_pepper_gen = %(gen)s
      FROM unnest(%(keys)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.regain_key = n.old""",
    "login": """UPDATE users t SET sealed_login = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.sealed_login = n.old""",
    "code": """UPDATE recovery_codes t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) AS n (id, old, new)
      WHERE t.user_id = n.id AND t.wrap = n.old""",
    "escrow": """UPDATE escrow_wraps t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)s::uuid[], %(deks)s::uuid[], %(escrow_gens)s::integer[], %(old)s::bytea[],
                  %(new)s::bytea[]) AS n (id, dek, escrow_gen, old, new)
      WHERE t.user_id = n.id AND t.dek_id = n.dek AND t.escrow_gen = n.escrow_gen AND t.wrap = n.old""",
    "case's regain key": """UPDATE regain_keys t SET wrap = n.new, pepper_gen = %(gen)s
      FROM unnest(%(keys)s::uuid[], %(old)s::bytea[], %(new)s::bytea[]) AS n (id, old, new)
      WHERE t.case_id = n.id AND t.wrap = n.old""",
}


def replace_wraps(conn: Connection, wraps: Sequence[NewWrap], *, pepper_gen: int) -> int:
    """Put all of them in their places that still hold the old bytes; how many that were."""
    _hold_credentials(conn, wraps)
    done = 0
    for place, statement in _UPDATES.items():
        here = [each for each in wraps if each.place == place]
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
