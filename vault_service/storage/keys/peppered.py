"""Pages of users with everything of theirs that is under the pepper; nothing is locked."""

from collections.abc import Sequence
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection

from vault_service.domain.ids import CaseId, DekId, TenantId, UserId

HIGHEST = UserId(UUID(int=2**128 - 1))
"""No id is above it."""


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


def escrow_of(conn: Connection, users: Sequence[UserId]) -> tuple[PepperedEscrow, ...]:
    """All of these users."""
    rows = conn.execute(_ESCROW + "WHERE e.user_id = ANY(%(users)s)", {"users": list(users)})
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
    return tuple(map(_regain_key, rows))


def regain_keys_of(conn: Connection, users: Sequence[UserId]) -> tuple[PepperedRegainKey, ...]:
    """Those of cases about these users."""
    rows = conn.execute(_REGAIN_KEYS + "WHERE c.user_id = ANY(%(users)s)", {"users": list(users)})
    return tuple(map(_regain_key, rows))


def _regain_key(row: tuple[object, ...]) -> PepperedRegainKey:
    return PepperedRegainKey._make((*row[:2], row[2:5], *row[5:]))


# --- a sample

_LOOK_AT = 100_000  # ids in one statement: well under a second, however few of them are in the sample
_HASHES = 2**64  # that there are, from -2**63


def highest_hash(conn: Connection, sample: int) -> int:
    """Up to which hash about so many of all users are: of 100,000 or more, by the server's last estimate."""
    row = conn.execute(
        """SELECT CASE WHEN reltuples >= 100000 THEN reltuples::bigint ELSE (SELECT count(*) FROM users) END
           FROM pg_class WHERE oid = 'users'::regclass"""
    ).fetchone()
    users = max(int(row[0]) if row else 0, 1)
    return min(_HASHES * sample // users, _HASHES) - _HASHES // 2 - 1


def sample_page(
    conn: Connection, after: UserId, limit: int, *, upto_hash: int, seed: int, look_at: int = _LOOK_AT
) -> tuple[tuple[PepperedUser, ...], UserId | None]:
    """The next users above `after` whose seeded hash is low enough; after whom to go on, or None.

    `seed`: 64 bits, signed; `look_at`: users in one statement. A page may be empty although others follow.
    """
    values = {"after": after, "limit": limit, "seed": seed, "upto": upto_hash, "look_at": look_at}
    rows = conn.execute(
        _USERS
        + """WHERE u.user_id IN (
               SELECT user_id FROM (SELECT user_id FROM users WHERE user_id > %(after)s
                                    ORDER BY user_id LIMIT %(look_at)s) AS looked_at
               WHERE uuid_hash_extended(user_id, %(seed)s) <= %(upto)s ORDER BY user_id LIMIT %(limit)s)
             ORDER BY u.user_id""",
        values,
    ).fetchall()
    page = tuple(map(_user, rows))
    if len(page) == limit:
        return page, page[-1].user
    end = conn.execute(
        """SELECT user_id FROM users WHERE user_id > %(after)s
           ORDER BY user_id OFFSET %(look_at)s - 1 LIMIT 1""",
        values,
    ).fetchone()
    return page, UserId(end[0]) if end else None
