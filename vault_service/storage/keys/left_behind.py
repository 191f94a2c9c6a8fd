"""Whether a rotation has left a wrap behind on an older generation: looked for in pages, without a lock.

A page is short, so that no time-out strikes however many users there are; what is written meanwhile may be
missed, and a census under a lock comes before a generation is given up (generations.py).
"""

from typing import LiteralString
from uuid import UUID

from psycopg import Connection

from vault_service.domain.rotation import RewrapKind

_FIRST = UUID(int=0)
_PAGE = 20_000  # rows; some 20 ms

# Each gives the last key of a page, and whether a row of it is behind that no failure tells of.
_FAILED: LiteralString = """EXISTS (SELECT FROM rotation_failures f WHERE f.rotation_id = %(id)s
                              AND f.user_id = t.user_id AND f.wrap = t.wrap)"""
_ANY_FAILED: LiteralString = """EXISTS (SELECT FROM rotation_failures f WHERE f.rotation_id = %(id)s
                                  AND f.user_id = t.user_id)"""


def _page(rows: LiteralString, failed: LiteralString = _FAILED) -> LiteralString:
    # The last of a whole page; of a shorter one nothing, since nothing follows.
    return (
        "WITH t AS MATERIALIZED ("
        + rows
        + """ LIMIT %(page)s)
        SELECT CASE WHEN count(*) = %(page)s THEN (array_agg(key ORDER BY key DESC))[1] END,
               coalesce(bool_or(gen < %(gen)s AND NOT """
        + failed
        + "), false) FROM t"
    )


_USERS: LiteralString = "FROM users WHERE user_id > %(after)s ORDER BY user_id"
_LOOKS: dict[RewrapKind, tuple[LiteralString, ...]] = {
    "pepper": (
        _page("SELECT user_id AS key, user_id, pepper_gen AS gen, 'login-name' AS wrap " + _USERS),
        _page(
            """SELECT user_id AS key, user_id, pepper_gen AS gen, kind AS wrap
               FROM credentials WHERE user_id > %(after)s ORDER BY user_id"""
        ),
        _page(
            """SELECT user_id AS key, user_id, regain_key_pepper_gen AS gen, 'regain-key' AS wrap
               FROM credentials WHERE user_id > %(after)s ORDER BY user_id"""
        ),
        _page(
            """SELECT user_id AS key, user_id, pepper_gen AS gen, 'code' AS wrap
               FROM recovery_codes WHERE user_id > %(after)s ORDER BY user_id"""
        ),
        _page(
            """SELECT user_id AS key, user_id, min(pepper_gen) AS gen, 'escrow' AS wrap
               FROM escrow_wraps WHERE user_id > %(after)s GROUP BY user_id ORDER BY user_id"""
        ),
        _page(
            """SELECT case_id AS key, cases.user_id, pepper_gen AS gen, 'regain-key' AS wrap
               FROM regain_keys JOIN cases USING (case_id) WHERE case_id > %(after)s ORDER BY case_id"""
        ),
    ),
    "login-index": (_page("SELECT user_id AS key, user_id, login_index_gen AS gen " + _USERS, _ANY_FAILED),),
    "escrow": (
        _page(
            """SELECT user_id AS key, user_id, min(escrow_gen) AS gen, 'escrow' AS wrap
               FROM escrow_wraps WHERE user_id > %(after)s GROUP BY user_id ORDER BY user_id"""
        ),
    ),
}


def is_anything_left(conn: Connection, kind: RewrapKind, rotation: UUID, gen: int) -> bool:
    """Whether a wrap is on a generation before `gen`, leaving aside those listed as not opening."""
    return any(_is_left(conn, look, rotation, gen) for look in _LOOKS[kind])


def _is_left(conn: Connection, look: LiteralString, rotation: UUID, gen: int) -> bool:
    after: UUID | None = _FIRST
    while after is not None:
        row = conn.execute(
            look, {"after": after, "page": _PAGE, "id": rotation, "gen": gen}, prepare=True
        ).fetchone()
        if row is None:
            return False
        after, is_left = row
        if is_left:
            return True
    return False
